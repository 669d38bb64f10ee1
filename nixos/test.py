machine.start()
machine.wait_for_unit("loops-demo-holder.service")

/* child NAME [HZ]: tell the datagram socket $LOOPS_BENCH_SOCKET "NAME pid monotonic-nanoseconds", then do nothing for ever.
   The clock is read first: it stands for the first instruction of what is supervised.
   With HZ it prints "NAME number" so many times a second.  SIGUSR1 ends the printing: it then tells how many there were. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t asked;

static void ask(int number) { (void)number, asked = 1; }

static void tell(const char *name, long long what) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char message[256];
    strncpy(address.sun_path, getenv("LOOPS_BENCH_SOCKET"), sizeof address.sun_path - 1);
    int length = snprintf(message, sizeof message, "%s %d %lld", name, getpid(), what);
    int channel = socket(AF_UNIX, SOCK_DGRAM, 0);
    sendto(channel, message, length, 0, (struct sockaddr *)&address, sizeof address);
    close(channel);
}

int main(int count, char **words) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!getenv("LOOPS_BENCH_SOCKET") || count < 2) return 2;
    double rate = count > 2 ? atof(words[2]) : 0;
    if (rate > 0) signal(SIGUSR1, ask);
    tell(words[1], (long long)now.tv_sec * 1000000000LL + now.tv_nsec);
    if (rate > 0) {
        long period = (long)(1e9 / rate);
        struct timespec rest = {period / 1000000000L, period % 1000000000L};
        usleep((useconds_t)(getpid() * 2654435761u % 1000000u)); /* not all in the same moment */
        for (long long number = 0;; number++) {
            if (asked) {
                tell(words[1], number);
                break;
            }
            char line[128];
            int length = snprintf(line, sizeof line, "%s %lld\n", words[1], number);
            if (write(1, line, length) != length) return 1;
            nanosleep(&rest, NULL);
        }
    }
    for (;;) pause();
}

"""The cutover from a live deployment to its staged project, and the way back: planned, rehearsed, and done under supervision."""

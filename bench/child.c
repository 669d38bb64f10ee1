/* child NAME: tell the datagram socket $LOOPS_BENCH_SOCKET "NAME pid monotonic-nanoseconds", then do nothing for ever.
   The clock is read first: it stands for the first instruction of what is supervised. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int main(int count, char **words) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const char *path = getenv("LOOPS_BENCH_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char message[256];
    if (!path || count < 2) return 2;
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int length = snprintf(message, sizeof message, "%s %d %lld", words[1], getpid(),
                          (long long)now.tv_sec * 1000000000LL + now.tv_nsec);
    int channel = socket(AF_UNIX, SOCK_DGRAM, 0);
    sendto(channel, message, length, 0, (struct sockaddr *)&address, sizeof address);
    close(channel);
    for (;;) pause();
}

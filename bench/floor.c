/* floor COUNT CHILD: the least a supervisor can do, and so the physical floor of crash-heal: sigwaitinfo, waitpid, spawn. */
#define _GNU_SOURCE
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static pid_t *pids;
static char *program;

static void spawn(int index) {
    char name[16];
    snprintf(name, sizeof name, "s%d", index);
    char *words[] = {program, name, NULL};
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
    posix_spawn(&pids[index], program, NULL, &attributes, words, environ);
    posix_spawnattr_destroy(&attributes);
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    int count = atoi(argv[1]);
    program = argv[2];
    pids = calloc(count, sizeof *pids);
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGCHLD);
    sigprocmask(SIG_BLOCK, &wanted, NULL);
    for (int i = 0; i < count; i++) spawn(i);
    for (;;) {
        siginfo_t about;
        pid_t dead;
        int status;
        sigwaitinfo(&wanted, &about);
        while ((dead = waitpid(-1, &status, WNOHANG)) > 0)
            for (int i = 0; i < count; i++)
                if (pids[i] == dead) {
                    spawn(i);
                    break;
                }
    }
}

/* Counts what a program does to the files of a SQLite database, and does harm at a chosen operation: before it, SIGKILL, or
   from it on a disk without room. At operation 0 it lists them all. Put before the program with LD_PRELOAD. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static long done;
static int full;

/* What kind of file of a database a path names; nothing for other files. */
static const char *kind(const char *path) {
    const char *end = strstr(path, ".sqlite");
    if (end == NULL) return NULL;
    end += strlen(".sqlite");
    if (*end == 0) return "the database";
    if (strcmp(end, "-journal") == 0) return "the rollback journal";
    if (strcmp(end, "-wal") == 0) return "the write-ahead log";
    return NULL;
}

static const char *kind_of(int file) {
    char name[64], path[4096];
    snprintf(name, sizeof name, "/proc/self/fd/%d", file);
    ssize_t size = readlink(name, path, sizeof path - 1);
    if (size < 0) return NULL;
    path[size] = 0;
    return kind(path);
}

/* Counts an operation; says whether the disk has no room for it. */
static int counted(const char *verb, const char *file, int writes) {
    const char *at = getenv("OPERATION_AT");
    if (file == NULL || at == NULL) return 0;
    long chosen = atol(at);
    if (++done == chosen || chosen == 0) {
        FILE *point = fopen(getenv("OPERATION_POINT"), "a");
        if (point != NULL) {
            fprintf(point, "%s %s\n", verb, file);
            fclose(point);
        }
    }
    if (done == chosen) {
        if (strcmp(getenv("OPERATION_HARM"), "kill") == 0) kill(getpid(), SIGKILL);
        full = 1;
    }
    return full && writes;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *bytes, size_t size) {
    if (counted("writes", kind_of(file), 1)) { errno = ENOSPC; return -1; }
    return REAL(write)(file, bytes, size);
}

ssize_t pwrite(int file, const void *bytes, size_t size, off_t at) {
    if (counted("writes", kind_of(file), 1)) { errno = ENOSPC; return -1; }
    return REAL(pwrite)(file, bytes, size, at);
}

ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t at) {
    if (counted("writes", kind_of(file), 1)) { errno = ENOSPC; return -1; }
    return REAL(pwrite64)(file, bytes, size, at);
}

int fsync(int file) {
    counted("syncs", kind_of(file), 0);
    return REAL(fsync)(file);
}

int fdatasync(int file) {
    counted("syncs", kind_of(file), 0);
    return REAL(fdatasync)(file);
}

int ftruncate(int file, off_t size) {
    counted("truncates", kind_of(file), 0);
    return REAL(ftruncate)(file, size);
}

int ftruncate64(int file, off64_t size) {
    counted("truncates", kind_of(file), 0);
    return REAL(ftruncate64)(file, size);
}

int unlink(const char *path) {
    counted("removes", kind(path), 0);
    return REAL(unlink)(path);
}

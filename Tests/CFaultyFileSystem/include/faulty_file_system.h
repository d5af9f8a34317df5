// An SQLite VFS for tests: counts syncs, fails on demand, and has a disk of limited size.
//
// It offers no shared memory (version 1 of the file methods), as a network file system does not.
#ifndef FAULTY_FILE_SYSTEM_H
#define FAULTY_FILE_SYSTEM_H

typedef struct faulty_fs faulty_fs;

// Which operations may fail.
enum { FAULTY_WRITE = 1, FAULTY_SYNC = 2 };

// Registers a VFS of this name, for the life of the process; the reserve at `reserve_path` counts as used space.
faulty_fs *faulty_fs_new(const char *name, const char *reserve_path);

// Lets the operations in `kinds` fail with `code` from the `after`-th on (0: the next), `count` of them.
void faulty_fs_fail(faulty_fs *fs, int kinds, int code, long after, long count);
// Operations that have failed.
long faulty_fs_failures(faulty_fs *fs);
// Lets files grow to so many bytes together; negative: without limit.
void faulty_fs_limit(faulty_fs *fs, long long bytes);
// Bytes of the open files together.
long long faulty_fs_used(faulty_fs *fs);

// Syncs of the write-ahead log and of the database.
long faulty_fs_log_syncs(faulty_fs *fs);
long faulty_fs_main_syncs(faulty_fs *fs);

// Mounts a file system in memory of so many bytes, and takes it away; 0 or an error number.
int small_disk_mount(const char *path, long long bytes);
int small_disk_unmount(const char *path);

#endif

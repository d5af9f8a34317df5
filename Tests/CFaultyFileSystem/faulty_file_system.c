#include "faulty_file_system.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

struct faulty_fs {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    pthread_mutex_t lock;
    char *name;
    char *reserve;
    int kinds, code;
    long after, count, failures;
    long long limit, used;
    long log_syncs, main_syncs;
};

typedef struct {
    sqlite3_file base;
    faulty_fs *fs;
    int flags;
    sqlite3_int64 size;
    sqlite3_file *real;
} faulty_file;

static int fault(faulty_fs *fs, int kind) {
    if (!(fs->kinds & kind) || fs->count <= 0) return SQLITE_OK;
    if (fs->after > 0) {
        fs->after--;
        return SQLITE_OK;
    }
    fs->count--;
    fs->failures++;
    return fs->code;
}

static long long reserved(faulty_fs *fs) {
    struct stat status;
    return stat(fs->reserve, &status) == 0 ? (long long)status.st_size : 0;
}

static void resize(faulty_file *file, sqlite3_int64 size) {
    file->fs->used += size - file->size;
    file->size = size;
}

static int file_close(sqlite3_file *base) {
    faulty_file *file = (faulty_file *)base;
    pthread_mutex_lock(&file->fs->lock);
    resize(file, 0);
    pthread_mutex_unlock(&file->fs->lock);
    return file->real->pMethods->xClose(file->real);
}

static int file_read(sqlite3_file *base, void *bytes, int count, sqlite3_int64 offset) {
    faulty_file *file = (faulty_file *)base;
    return file->real->pMethods->xRead(file->real, bytes, count, offset);
}

static int file_write(sqlite3_file *base, const void *bytes, int count, sqlite3_int64 offset) {
    faulty_file *file = (faulty_file *)base;
    faulty_fs *fs = file->fs;
    pthread_mutex_lock(&fs->lock);
    int result = fault(fs, FAULTY_WRITE);
    sqlite3_int64 end = offset + count;
    if (result == SQLITE_OK && end > file->size) {
        if (fs->limit >= 0 && fs->used + reserved(fs) + (end - file->size) > fs->limit) {
            fs->failures++;
            result = SQLITE_FULL;
        } else {
            resize(file, end);
        }
    }
    pthread_mutex_unlock(&fs->lock);
    if (result != SQLITE_OK) {
        // As a disk does it: a part may have arrived.
        if (result != SQLITE_FULL) file->real->pMethods->xWrite(file->real, bytes, count / 2, offset);
        return result;
    }
    return file->real->pMethods->xWrite(file->real, bytes, count, offset);
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size) {
    faulty_file *file = (faulty_file *)base;
    int result = file->real->pMethods->xTruncate(file->real, size);
    pthread_mutex_lock(&file->fs->lock);
    if (result == SQLITE_OK) resize(file, size);
    pthread_mutex_unlock(&file->fs->lock);
    return result;
}

static int file_sync(sqlite3_file *base, int flags) {
    faulty_file *file = (faulty_file *)base;
    faulty_fs *fs = file->fs;
    pthread_mutex_lock(&fs->lock);
    int result = fault(fs, FAULTY_SYNC);
    if (file->flags & SQLITE_OPEN_WAL) fs->log_syncs++;
    if (file->flags & SQLITE_OPEN_MAIN_DB) fs->main_syncs++;
    pthread_mutex_unlock(&fs->lock);
    return result == SQLITE_OK ? file->real->pMethods->xSync(file->real, flags) : result;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size) {
    faulty_file *file = (faulty_file *)base;
    return file->real->pMethods->xFileSize(file->real, size);
}

static int file_lock(sqlite3_file *base, int level) {
    faulty_file *file = (faulty_file *)base;
    return file->real->pMethods->xLock(file->real, level);
}

static int file_unlock(sqlite3_file *base, int level) {
    faulty_file *file = (faulty_file *)base;
    return file->real->pMethods->xUnlock(file->real, level);
}

static int file_check_lock(sqlite3_file *base, int *result) {
    faulty_file *file = (faulty_file *)base;
    return file->real->pMethods->xCheckReservedLock(file->real, result);
}

static int file_control(sqlite3_file *base, int operation, void *argument) {
    // Size hints would make room behind the accounts' back.
    if (operation == SQLITE_FCNTL_SIZE_HINT || operation == SQLITE_FCNTL_CHUNK_SIZE) return SQLITE_NOTFOUND;
    faulty_file *file = (faulty_file *)base;
    return file->real->pMethods->xFileControl(file->real, operation, argument);
}

static int file_sector_size(sqlite3_file *base) {
    faulty_file *file = (faulty_file *)base;
    return file->real->pMethods->xSectorSize(file->real);
}

static int file_characteristics(sqlite3_file *base) {
    faulty_file *file = (faulty_file *)base;
    return file->real->pMethods->xDeviceCharacteristics(file->real);
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
};

static int fs_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *base, int flags, int *out) {
    faulty_fs *fs = (faulty_fs *)vfs->pAppData;
    faulty_file *file = (faulty_file *)base;
    file->base.pMethods = NULL;
    file->fs = fs;
    file->flags = flags;
    file->size = 0;
    file->real = (sqlite3_file *)(file + 1);
    int result = fs->real->xOpen(fs->real, name, file->real, flags, out);
    if (result != SQLITE_OK) return result;
    file->base.pMethods = &methods;
    sqlite3_int64 size = 0;
    file->real->pMethods->xFileSize(file->real, &size);
    pthread_mutex_lock(&fs->lock);
    resize(file, size);
    pthread_mutex_unlock(&fs->lock);
    return SQLITE_OK;
}

static int fs_delete(sqlite3_vfs *vfs, const char *name, int sync) {
    faulty_fs *fs = (faulty_fs *)vfs->pAppData;
    return fs->real->xDelete(fs->real, name, sync);
}

static int fs_access(sqlite3_vfs *vfs, const char *name, int flags, int *result) {
    faulty_fs *fs = (faulty_fs *)vfs->pAppData;
    return fs->real->xAccess(fs->real, name, flags, result);
}

static int fs_full_path(sqlite3_vfs *vfs, const char *name, int count, char *path) {
    faulty_fs *fs = (faulty_fs *)vfs->pAppData;
    return fs->real->xFullPathname(fs->real, name, count, path);
}

faulty_fs *faulty_fs_new(const char *name, const char *reserve_path) {
    faulty_fs *fs = calloc(1, sizeof *fs);
    if (!fs) abort();
    fs->real = sqlite3_vfs_find(NULL);
    fs->vfs = *fs->real;
    fs->name = strdup(name);
    fs->reserve = strdup(reserve_path);
    fs->limit = -1;
    pthread_mutex_init(&fs->lock, NULL);
    fs->vfs.pNext = NULL;
    fs->vfs.zName = fs->name;
    fs->vfs.pAppData = fs;
    fs->vfs.szOsFile = (int)sizeof(faulty_file) + fs->real->szOsFile;
    fs->vfs.xOpen = fs_open;
    fs->vfs.xDelete = fs_delete;
    fs->vfs.xAccess = fs_access;
    fs->vfs.xFullPathname = fs_full_path;
    if (sqlite3_vfs_register(&fs->vfs, 0) != SQLITE_OK) abort();
    return fs;
}

void faulty_fs_fail(faulty_fs *fs, int kinds, int code, long after, long count) {
    pthread_mutex_lock(&fs->lock);
    fs->kinds = kinds;
    fs->code = code;
    fs->after = after;
    fs->count = count;
    pthread_mutex_unlock(&fs->lock);
}

void faulty_fs_limit(faulty_fs *fs, long long bytes) {
    pthread_mutex_lock(&fs->lock);
    fs->limit = bytes;
    pthread_mutex_unlock(&fs->lock);
}

#define READER(type, function, expression)   \
    type function(faulty_fs *fs) {           \
        pthread_mutex_lock(&fs->lock);       \
        type value = (expression);           \
        pthread_mutex_unlock(&fs->lock);     \
        return value;                        \
    }

READER(long, faulty_fs_failures, fs->failures)
READER(long long, faulty_fs_used, fs->used + reserved(fs))
READER(long, faulty_fs_log_syncs, fs->log_syncs)
READER(long, faulty_fs_main_syncs, fs->main_syncs)

int small_disk_mount(const char *path, long long bytes) {
    char options[64];
    snprintf(options, sizeof options, "size=%lld,mode=0700", bytes);
    return mount("none", path, "tmpfs", 0, options) == 0 ? 0 : errno;
}

int small_disk_unmount(const char *path) { return umount2(path, MNT_DETACH) == 0 ? 0 : errno; }

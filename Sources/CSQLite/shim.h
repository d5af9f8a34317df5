#include <sqlite3.h>

// sqlite3_db_config is variadic, which Swift cannot call.
static inline int understudy_sqlite_keep_log(sqlite3 *connection, int keeps) {
    return sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keeps, (int *)0);
}

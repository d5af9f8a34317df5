#ifndef UNDERSTUDY_CACCEPT_H
#define UNDERSTUDY_CACCEPT_H

/* Descriptors below the process's limit that no accepted connection gets, or a quarter of the limit when
 * that is less: the process needs some for itself. */
#define CACCEPT_RESERVED 64

#endif

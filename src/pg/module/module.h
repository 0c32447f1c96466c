/*
 * module.h
 *	  Load, hooks, the prefix of settings.  The top of the library: nothing
 *	  includes this room.
 *
 * Promises: the library loads by shared_preload_libraries only; each hook calls
 * the one before it exactly once on every path.  Must not: decide anything.
 */
#ifndef EPS_PG_MODULE_H
#define EPS_PG_MODULE_H

#include "pg/common/common.h"

extern PGDLLEXPORT void _PG_init(void);

#endif							/* EPS_PG_MODULE_H */

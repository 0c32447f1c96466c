/*
 * test_tape.h
 *	  In a test build, seams for audits; in a shipped library, nothing.
 * EPS_TEST(call) is the call in a test build only.
 */
#ifndef EPS_PG_EXEC_TEST_TAPE_H
#define EPS_PG_EXEC_TEST_TAPE_H

#ifdef EPS_TEST_BUILD
extern void eps_exec_test_init(void);
extern bool eps_exec_test_has_noise(void);
extern void eps_exec_test_begin(EpsRun *run);
extern void eps_exec_test_images(EpsRun *run);
extern void eps_exec_test_owner(EpsRun *run, EpsKey key);
extern void eps_exec_test_order(EpsRun *run, uint32 *choice, uint32 n, const char *const *records, const uint32 *gids);
extern void eps_exec_test_candidate(EpsRun *run, EpsKey key);
extern void eps_exec_test_offer(EpsRun *run, uint64 candidate, uint32 gid, int coord, EpsImage image);
extern void eps_exec_test_noise(EpsRun *run, uint32 gid, int coord);
extern void eps_exec_test_point(const char *name);
extern void eps_exec_test_trace(const EpsRun *run, const uint8 *admitted);
#define EPS_TEST(call) (call)
#else
#define EPS_TEST(call) ((void) 0)
#endif

#endif							/* EPS_PG_EXEC_TEST_TAPE_H */

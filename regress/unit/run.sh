#!/bin/sh
#
# run.sh
#	  Runs unit test programs, shows what each says and the totals; fails if a
#	  test failed, or if a program ended before it had run them all.
#
set -u

passed=0
failed=0
for program in "$@"; do
	name=$(basename "$program")
	output=$(CMOCKA_MESSAGE_OUTPUT=TAP ${EPS_UNIT_WRAPPER:-} "$program" 2>&1)
	status=$?
	planned=$(printf '%s\n' "$output" | sed -n 's/^1\.\.\([0-9][0-9]*\)$/\1/p' | head -n 1)
	ok=$(printf '%s\n' "$output" | grep -c '^ok ')
	not_ok=$(printf '%s\n' "$output" | grep -c '^not ok ')
	lost=$((${planned:-1} - ok - not_ok))
	if [ "$lost" -lt 0 ]; then
		lost=0
	fi
	if [ "$status" -ne 0 ] && [ "$((not_ok + lost))" -eq 0 ]; then
		lost=1
	fi
	printf '%s\n' "$output" | grep -v '^1\.\.' | sed "s/^/$name: /"
	if [ "$lost" -gt 0 ]; then
		echo "$name: ended with status $status, $lost not run or not clean"
	fi
	passed=$((passed + ok))
	failed=$((failed + not_ok + lost))
done

echo "unit: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

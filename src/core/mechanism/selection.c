/*
 * selection.c
 *	  Optimal partition selection for one group an owner.
 */
#include "core/mechanism/mechanism_internal.h"

#include <math.h>

/*
 * DVGM Theorem 1.  pi grows by pi(n) = e^epsilon pi(n - 1) + delta up to n1, then
 * by 1 - pi(n) = e^-epsilon (1 - pi(n - 1) - delta); both recursions have a
 * closed form.
 */
EpsStatus
eps_mechanism_optimal_keep(double *pi, uint64_t n, double epsilon, double delta)
{
	double		count = (double) n;
	double		growth;
	double		crossover;
	double		at_crossover;
	double		further;

	if (!isfinite(epsilon) || epsilon < 0 || !(delta > 0 && delta < 1))
		return EPS_E_RANGE;
	growth = expm1(epsilon);
	if (growth < 1e-300)
	{
		*pi = fmin(count * delta, 1);
		return EPS_OK;
	}
	if (n == 0)
	{
		*pi = 0;
		return EPS_OK;
	}
	/* (e^epsilon + 2 delta - 1) / (delta (e^epsilon + 1)), whose parts may overflow */
	crossover = isfinite(growth) ? (growth + 2 * delta) / ((growth + 2) * delta) : 1 / delta;
	crossover = 1 + floor(log(crossover) / epsilon);
	if (count <= crossover)
	{
		*pi = fmin(expm1(count * epsilon) / growth * delta, 1);
		if (n == 1)
			*pi = delta;
		return EPS_OK;
	}
	at_crossover = crossover == 1 ? delta : expm1(crossover * epsilon) / growth * delta;
	further = count - crossover;
	*pi = fmin(-expm1(-further * epsilon) * (1 + delta / growth) +
			   exp(-further * epsilon) * at_crossover, 1);
	return EPS_OK;
}

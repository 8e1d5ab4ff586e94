// SPDX-License-Identifier: GPL-2.0-only
/*
 * On UML, libgcov keeps the counters and would write them when the process
 * exits. Its hook for that is dropped when the kernel is linked, so call it.
 */
#ifdef CONFIG_UML
#include <init.h>

#include "rmap_kunit_gcov.h"

static void rmap_kunit_gcov_dump(void)
{
	__gcov_dump();
}

__uml_exitcall(rmap_kunit_gcov_dump);
#endif

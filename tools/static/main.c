// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tells whether each walk of a reverse map runs on a locked folio.
 *
 * usage: rmap-static SOURCE [defects] < LIST, where a line of LIST is `trust FUNCTION CALLEE` or
 * the path of a file of LLVM IR.  What is trusted is not asked of callers.  Writes JSON to
 * standard output.  With `defects`, breaks the locking in every way it knows and says which
 * defects it sees, a line each.  Exit status 2: a file could not be read.
 */
#include <stdio.h>
#include <string.h>

#include "defects.h"
#include "ir.h"
#include "report.h"
#include "walks.h"

int main(int argc, char **argv)
{
	char path[4096];

	if (argc < 2) {
		fprintf(stderr, "usage: rmap-static SOURCE [defects] < LIST\n");
		return 2;
	}
	walks_init();
	ir_open(argv[1]);
	while (fgets(path, sizeof(path), stdin)) {
		char *wrong;

		path[strcspn(path, "\n")] = '\0';
		if (g_str_has_prefix(path, "trust ")) {
			walks_trust(path + strlen("trust "));
			continue;
		}
		wrong = ir_load(path);
		if (wrong) {
			fprintf(stderr, "%s: %s\n", path, wrong);
			return 2;
		}
	}
	ir_index();
	walks_find();
	if (argc > 2 && !strcmp(argv[2], "defects"))
		return defects_try();
	report_all();
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* What a function may do to locks and memory, whatever way it takes. */
#ifndef RMAP_STATIC_EFFECTS_H
#define RMAP_STATIC_EFFECTS_H

#include "ir.h"

/**
 * struct effects - bit i of a mask is parameter i, or what is reached from it
 * @locks: may be locked or unlocked
 * @escapes: is given to code that nobody compiled, or through a pointer
 * @stored: is stored in memory that outlives the call
 * @returned: may be what is returned
 * @writes: fields that are written (GQuark, see ir_tag())
 * @writes_any: writes memory of which no field is known
 * @pure: only computes what it returns
 * @unknown: names of functions without a body that get a parameter (interned)
 */
struct effects {
	guint32 locks, escapes, stored, returned;
	GHashTable *writes;
	bool writes_any, pure;
	GPtrArray *unknown;
};

const struct effects *effects_of(struct function *fn);

#endif

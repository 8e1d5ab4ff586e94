/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RMAP_STATIC_DEFECTS_H
#define RMAP_STATIC_DEFECTS_H

/*
 * Breaks the locking that the proofs rest on, one defect at a time, each in a process of its own,
 * and prints "seen" or "missed", the kind and the place.  The exit status.
 */
int defects_try(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RMAP_STATIC_REPORT_H
#define RMAP_STATIC_REPORT_H

/* Prints all that was found to standard output, as JSON, in an order that depends on nothing. */
void report_all(void);

#endif

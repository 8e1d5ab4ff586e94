// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin for QEMU: how often each instruction of the kernel runs between one call
 * of a function and the next.
 *
 * Arguments: clock=ADDRESS of the function, out=FILE. The function is called when
 * something begins and when it is over. In the file stands, for each such window, a
 * line "window", and then "ADDRESS COUNT" for each address, in hexadecimal and
 * decimal.
 *
 * QEMU's headers need not be installed: what is used of them is declared here, as
 * QEMU's include/qemu/qemu-plugin.h documents it.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PUBLIC		__attribute__((visibility("default")))
#define BUCKETS		(1 << 16)
/* The half of the addresses that the kernel has, on x86_64 and on arm64 */
#define KERNEL		(1ULL << 63)

struct qemu_plugin_tb;
struct qemu_plugin_insn;

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
					    void (*fn)(uint64_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    void (*fn)(unsigned int cpu, void *data),
					    int flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

PUBLIC int qemu_plugin_version = PLUGIN_VERSION;

struct counter {
	struct counter *next;
	uint64_t address;
	uint64_t count;
};

static struct counter *counters[BUCKETS];
static uint64_t clock_address;
static bool open_window;
static FILE *out;

/* An instruction that is translated anew keeps its counter. */
static struct counter *counter_of(uint64_t address)
{
	struct counter **place = &counters[(address ^ address >> 16) % BUCKETS];

	for (; *place; place = &(*place)->next)
		if ((*place)->address == address)
			return *place;
	*place = calloc(1, sizeof(**place));
	if (!*place)
		abort();
	(*place)->address = address;
	return *place;
}

static void write_window(void)
{
	struct counter *counter;
	int i;

	fputs("window\n", out);
	for (i = 0; i < BUCKETS; i++)
		for (counter = counters[i]; counter; counter = counter->next) {
			if (counter->count)
				fprintf(out, "%" PRIx64 " %" PRIu64 "\n",
					counter->address, counter->count);
			counter->count = 0;
		}
	fflush(out);
}

static void run(unsigned int cpu, void *data)
{
	struct counter *counter = data;

	(void)cpu;
	if (counter->address == clock_address) {
		if (open_window)
			write_window();
		open_window = !open_window;
	}
	if (open_window)
		counter->count++;
}

static void translate(uint64_t id, struct qemu_plugin_tb *tb)
{
	size_t i, nr = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (i = 0; i < nr; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t address = qemu_plugin_insn_vaddr(insn);

		if (address & KERNEL)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, run, 0, counter_of(address));
	}
}

PUBLIC int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	int i;

	(void)info;
	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "clock=", 6))
			clock_address = strtoull(argv[i] + 6, NULL, 16);
		else if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
	}
	if (!clock_address || !out) {
		fputs("windows: needs clock=ADDRESS, and out=FILE that can be written\n", stderr);
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	return 0;
}

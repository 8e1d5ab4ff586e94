// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first process of a guest that inserts the suites as modules.
 *
 * Does what /plan says, one word and its argument a line, and restarts, which ends
 * the guest. All that is to be told goes through /dev/kmsg, so that it stands in the
 * kernel log. tools/locked_rmap/guest/modules.py writes the plan and reads the log.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A record of /dev/kmsg may be about twice as long. */
#define PIECE	500
#define RESULTS	"/sys/kernel/debug/kunit"

static int kmsg = -1;

/* Not dprintf(), which wants to know its place in the file: /dev/kmsg has none. */
#define tell(format, ...) do {							\
	char text_[PIECE + 100];						\
										\
	snprintf(text_, sizeof(text_), "<6>modules: " format, ##__VA_ARGS__);	\
	tell_text(text_);							\
} while (0)

static void tell_text(const char *text)
{
	/* There is no other place to complain: the host misses a mark, and says so. */
	if (write(kmsg, text, strlen(text)) < 0)
		return;
}

/* Restarting ends the guest: QEMU runs with -no-reboot. */
static noreturn void leave(void)
{
	sync();
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

static noreturn void give_up(const char *what, const char *about)
{
	tell("cannot %s %s: %s", what, about, strerror(errno));
	leave();
}

static void mount_at(const char *type, const char *where)
{
	mkdir(where, 0755);
	if (mount(type, where, type, 0, NULL) && errno != EBUSY)
		give_up("mount", where);
}

/* @text is the module's name, and its parameters. */
static void insert(char *text)
{
	char *name = strsep(&text, " ");
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "/%s.ko", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || syscall(SYS_finit_module, fd, text ? text : "", 0))
		give_up("insert", name);
	close(fd);
}

static void take_out(const char *name)
{
	if (syscall(SYS_delete_module, name, O_NONBLOCK))
		give_up("remove", name);
}

/* Tell what a file has: lines end in |, pieces of longer ones in ~. */
static void show(const char *path)
{
	FILE *file = fopen(path, "re");
	char text[PIECE];
	size_t length;

	if (!file)
		give_up("read", path);
	while (fgets(text, sizeof(text), file)) {
		length = strcspn(text, "\n");
		if (text[length]) {
			text[length] = '\0';
			tell("| %s|", text);
		} else {
			tell("| %s~", text);
		}
	}
	fclose(file);
}

static void show_results(void)
{
	struct dirent **names;
	int count = scandir(RESULTS, &names, NULL, alphasort);
	char path[400];
	int i;

	if (count < 0)
		give_up("read", RESULTS);
	for (i = 0; i < count; i++) {
		if (names[i]->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), RESULTS "/%s/results", names[i]->d_name);
		tell("results %s", names[i]->d_name);
		show(path);
	}
}

int main(void)
{
	char text[PIECE], *word, *rest;
	FILE *plan;

	mkdir("/dev", 0755);
	if (mount("dev", "/dev", "devtmpfs", 0, NULL) && errno != EBUSY)
		leave();
	kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	mount_at("proc", "/proc");
	mount_at("sysfs", "/sys");
	mount_at("debugfs", "/sys/kernel/debug");
	plan = fopen("/plan", "re");
	if (!plan)
		give_up("read", "/plan");
	while (fgets(text, sizeof(text), plan)) {
		text[strcspn(text, "\n")] = '\0';
		tell("begin %s", text);
		rest = text;
		word = strsep(&rest, " ");
		if (!strcmp(word, "insert") && rest)
			insert(rest);
		else if (!strcmp(word, "remove") && rest)
			take_out(rest);
		else if (!strcmp(word, "show"))
			show_results();
		else
			give_up("do", word);
	}
	tell("over");
	leave();
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first process of a guest.
 *
 * Obeys /plan, a line at a time, and restarts, which ends the guest: QEMU runs with
 * -no-reboot.  A line is a word and its arguments, tabs in between; see words[].
 * Everything is reported in marks, lines of the kernel log, so that they stand in
 * order with what the kernel says:
 *
 *   init: begin WORD ARGUMENT	a line of the plan, or a file that it shows
 *   init: | TEXT		a line of output; "~" is a part of one
 *   init: end HOW		a program ended
 *   init: alive		a program still runs
 *   init: cannot WHAT		the plan ends here
 *   init: over			the end of the plan
 *
 * tools/locked_rmap/guest/qemu.py writes the plan and reads the marks.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* A record of /dev/kmsg may be about twice as long. */
#define PIECE		500
#define MAX_ARGS	19
/* Seconds that killed processes get to go. */
#define GRACE		10
/* Seconds between two signs of life. */
#define BEAT		10

/* Output on its way to the log, a line at a time. */
struct line {
	char text[PIECE + 1];
	size_t length;
	/* How much of it is in the log. */
	size_t told;
};

static int kmsg = -1;

/* Not dprintf(), which wants to know its place in the file: /dev/kmsg has none. */
#define tell(format, ...) do {							\
	char text_[PIECE + 100];						\
										\
	snprintf(text_, sizeof(text_), "<6>init: " format, ##__VA_ARGS__);	\
	tell_text(text_);							\
} while (0)

static void tell_text(const char *text)
{
	/* There is no other place to complain: the host misses a mark, and says so. */
	if (write(kmsg, text, strlen(text)) < 0)
		return;
}

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

static int open_or_give_up(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		give_up("open", path);
	return fd;
}

/*
 * A kernel that lacks a file system has no tests that need it.  Without CONFIG_TMPFS, tmpfs is
 * there and only the kernel may mount it: EINVAL.
 */
static void mount_at(const char *type, const char *where)
{
	mkdir(where, 0755);
	if (mount(type, where, type, 0, NULL) &&
	    errno != EBUSY && errno != ENODEV && errno != EINVAL)
		give_up("mount", where);
}

static void put(const char *path, const char *text)
{
	int fd = open_or_give_up(path, O_WRONLY);

	if (write(fd, text, strlen(text)) < 0)
		give_up("write", path);
	close(fd);
}

static void insert(char *args[])
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "/%s.ko", args[1]);
	fd = open_or_give_up(path, O_RDONLY);
	if (syscall(SYS_finit_module, fd, args[2] ? args[2] : "", 0))
		give_up("insert", args[1]);
	close(fd);
}

static void take_out(char *args[])
{
	if (syscall(SYS_delete_module, args[1], O_NONBLOCK))
		give_up("remove", args[1]);
}

static void swap_to(char *args[])
{
	struct {
		char boot[1024];
		unsigned int version;
		unsigned int last_page;
		unsigned int bad_pages;
		char rest[4096 - 1024 - 3 * sizeof(unsigned int) - 10];
		char magic[10];
	} head = { .version = 1 };
	int fd = open_or_give_up(args[1], O_RDWR);
	off_t size;

	size = lseek(fd, 0, SEEK_END);
	head.last_page = size / sizeof(head) - 1;
	memcpy(head.magic, "SWAPSPACE2", sizeof(head.magic));
	if (pwrite(fd, &head, sizeof(head), 0) != sizeof(head) || fsync(fd))
		give_up("write", args[1]);
	close(fd);
	if (swapon(args[1], 0))
		give_up("swap to", args[1]);
}

/*
 * Start the CPUs that "maxcpus=" on the kernel's command line has left out.
 *
 * Linux 6.1 waits for a CPU to come up in a loop without a pause. QEMU 7.2, where it
 * counts instructions, was seen to give that CPU no turn then: somebody beside the
 * loop has to give way.
 */
static void start_cpus(char *args[])
{
	char path[100];
	pid_t pid;
	int cpu;

	pid = fork();
	if (pid < 0)
		give_up("fork for", args[0]);
	while (pid == 0)
		__builtin_ia32_pause();
	for (cpu = 1; ; cpu++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
		if (access(path, F_OK))
			break;
		put(path, "1");
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

/* Tell what the line has; @whole if it came to its end. */
static void tell_line(struct line *line, bool whole)
{
	line->text[line->length] = '\0';
	if (whole || line->length > line->told)
		tell("%c %s", whole ? '|' : '~', line->text + line->told);
	line->told = line->length;
	if (whole || line->length == PIECE) {
		line->length = 0;
		line->told = 0;
	}
}

/* Pass on what @fd has; false if it has nothing now. */
static bool relay(int fd, struct line *line, const char *stop_at, bool *stop)
{
	char data[4096];
	ssize_t got, i;

	got = read(fd, data, sizeof(data));
	if (got <= 0)
		return false;
	for (i = 0; i < got; i++) {
		if (data[i] == '\n') {
			tell_line(line, true);
			continue;
		}
		line->text[line->length++] = data[i] ? data[i] : '?';
		line->text[line->length] = '\0';
		if (*stop_at && strstr(line->text, stop_at))
			*stop = true;
		if (line->length == PIECE)
			tell_line(line, false);
	}
	tell_line(line, false);
	return true;
}

/* End everything but this process; false if something does not go. */
static bool end_all(void)
{
	double end = now() + GRACE;
	pid_t pid;

	do {
		kill(-1, SIGKILL);
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (pid < 0)
			return true;
		usleep(10000);
	} while (now() < end);
	return false;
}

/* Show the files that a pattern matches. */
static void show_files(char *args[])
{
	struct line line = { .length = 0 };
	bool stop = false;
	glob_t found;
	size_t i;
	int fd;

	if (glob(args[1], 0, NULL, &found)) {
		errno = ENOENT;
		give_up("show", args[1]);
	}
	for (i = 0; i < found.gl_pathc; i++) {
		tell("begin show %s", found.gl_pathv[i]);
		fd = open_or_give_up(found.gl_pathv[i], O_RDONLY);
		while (relay(fd, &line, "", &stop))
			;
		if (line.length)
			tell_line(&line, true);
		close(fd);
	}
	globfree(&found);
}

static int start(char *argv[], pid_t *pid)
{
	/* A terminal, for its line buffering: what is said is out before a crash. */
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	struct termios mode;
	char *name;

	if (fd < 0 || unlockpt(fd) || tcgetattr(fd, &mode))
		give_up("open a terminal for", argv[0]);
	mode.c_oflag &= ~OPOST;
	if (tcsetattr(fd, TCSANOW, &mode))
		give_up("set up a terminal for", argv[0]);
	name = ptsname(fd);
	*pid = fork();
	if (*pid < 0)
		give_up("fork for", argv[0]);
	if (*pid == 0) {
		int tty;

		setsid();
		tty = open(name, O_RDWR);
		dup2(tty, 0);
		dup2(tty, 1);
		dup2(tty, 2);
		if (chdir("/tmp") == 0)
			execv(argv[0], argv);
		_exit(127);
	}
	return fd;
}

/* Run a program: its name, seconds, text to stop at (may be empty), command. */
static void run(char *args[])
{
	struct line line = { .length = 0 };
	double end = now() + atoi(args[2]);
	double beat = now() + BEAT;
	bool stop = false, over = false;
	struct pollfd poller;
	int status = 0;
	pid_t pid;

	poller.fd = start(args + 4, &pid);
	poller.events = POLLIN;
	while (!over && !stop && now() < end) {
		over = waitpid(pid, &status, WNOHANG) == pid;
		if (poll(&poller, 1, over ? 0 : 50) > 0 &&
		    !relay(poller.fd, &line, args[3], &stop) && !over)
			usleep(10000);
		if (now() >= beat) {
			tell("alive");
			beat = now() + BEAT;
		}
	}
	while (!stop && relay(poller.fd, &line, "", &stop))
		;
	if (line.length)
		tell_line(&line, true);
	if (!over && !stop) {
		/* Where do they hang? */
		put("/proc/sysrq-trigger", "w");
		put("/proc/sysrq-trigger", "l");
	}
	if (!end_all()) {
		put("/proc/sysrq-trigger", "w");
		tell("end stuck");
		leave();
	}
	close(poller.fd);
	if (over && WIFSIGNALED(status))
		tell("end signal %d", WTERMSIG(status));
	else if (over)
		tell("end exit %d", WEXITSTATUS(status));
	else
		tell("end %s", stop ? "stopped" : "hung");
}

/* Word, how many arguments it has at least, what it does. */
static const struct {
	const char *word;
	int least;
	void (*obey)(char *args[]);
} words[] = {
	{ "insert", 1, insert },	/* a module, its parameters */
	{ "remove", 1, take_out },	/* a module */
	{ "show", 1, show_files },		/* a pattern of files */
	{ "swap", 1, swap_to },		/* a disk */
	{ "cpus", 0, start_cpus },
	{ "run", 4, run },		/* see there */
	{ NULL }
};

static void obey(char *text)
{
	char *args[MAX_ARGS + 1] = { NULL };
	int count, i;

	for (count = 0; text && count < MAX_ARGS; count++)
		args[count] = strsep(&text, "\t");
	tell("begin %s%s%s", args[0], args[1] ? " " : "", args[1] ? args[1] : "");
	for (i = 0; words[i].word; i++) {
		if (!strcmp(args[0], words[i].word) && count > words[i].least) {
			words[i].obey(args);
			return;
		}
	}
	errno = EINVAL;
	give_up("obey", args[0]);
}

int main(void)
{
	char text[1000];
	FILE *plan;

	mkdir("/dev", 0755);
	if (mount("dev", "/dev", "devtmpfs", 0, NULL) && errno != EBUSY)
		leave();
	kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	mount_at("devpts", "/dev/pts");
	mount_at("proc", "/proc");
	mount_at("sysfs", "/sys");
	mount_at("debugfs", "/sys/kernel/debug");
	mount_at("tmpfs", "/tmp");
	plan = fopen("/plan", "re");
	if (!plan)
		give_up("read", "/plan");
	while (fgets(text, sizeof(text), plan)) {
		text[strcspn(text, "\n")] = '\0';
		obey(text);
	}
	tell("over");
	leave();
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first process of a guest that runs user-space selftests.
 *
 * Mounts and sets what they want, then runs the commands of /plan one after the
 * other and powers off.  All that is to be told goes through /dev/kmsg, so that it
 * stands in the kernel log, whole and in order with what the kernel has to say.
 * tools/locked_rmap/verbs/selftests.py writes the plan and reads the log.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
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
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* A record of /dev/kmsg may be about twice as long. */
#define PIECE		500
#define MAX_ARGS	15
/* Seconds that killed processes get to go. */
#define GRACE		10
/* Seconds between two signs of life. */
#define BEAT		10
#define SWAP_DISK	"/dev/ram0"

/* One line of /plan: name, seconds, text to stop at, command; tabs in between. */
struct job {
	char *name;
	int seconds;
	/* The command is ended when its output has this; may be empty. */
	char *stop_at;
	char *argv[MAX_ARGS + 1];
};

/* Output of a command on its way to the log, a line at a time. */
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
	snprintf(text_, sizeof(text_), "<6>selftests: " format, ##__VA_ARGS__);	\
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

static noreturn void give_up(const char *what)
{
	tell("cannot %s: %s", what, strerror(errno));
	leave();
}

static void mount_at(const char *type, const char *where)
{
	mkdir(where, 0755);
	if (mount(type, where, type, 0, NULL))
		give_up(where);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		give_up(path);
	close(fd);
}

/* Swap on a RAM disk, so that pages can be swapped out. */
static void add_swap(void)
{
	struct {
		char boot[1024];
		unsigned int version;
		unsigned int last_page;
		unsigned int bad_pages;
		char rest[4096 - 1024 - 3 * sizeof(unsigned int) - 10];
		char magic[10];
	} head = { .version = 1 };
	int fd = open(SWAP_DISK, O_RDWR);
	off_t size;

	if (fd < 0)
		give_up("open " SWAP_DISK);
	size = lseek(fd, 0, SEEK_END);
	head.last_page = size / sizeof(head) - 1;
	memcpy(head.magic, "SWAPSPACE2", sizeof(head.magic));
	if (pwrite(fd, &head, sizeof(head), 0) != sizeof(head) || fsync(fd))
		give_up("write " SWAP_DISK);
	close(fd);
	if (swapon(SWAP_DISK, 0))
		give_up("swap to " SWAP_DISK);
}

/*
 * Start the CPUs that "maxcpus=" on the kernel's command line has left out.
 *
 * Linux 6.1 waits for a CPU to come up in a loop without a pause. QEMU 7.2, where it
 * counts instructions, was seen to give that CPU no turn then: somebody beside the
 * loop has to give way.
 */
static void add_cpus(void)
{
	char path[100];
	pid_t pid;
	int cpu;

	pid = fork();
	if (pid < 0)
		give_up("fork");
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

static void set_up(void)
{
	const char *pages = getenv("selftests_hugepages");

	mkdir("/dev", 0755);
	if (mount("dev", "/dev", "devtmpfs", 0, NULL) && errno != EBUSY)
		leave();
	kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	mount_at("devpts", "/dev/pts");
	mount_at("proc", "/proc");
	mount_at("sysfs", "/sys");
	mount_at("debugfs", "/sys/kernel/debug");
	mount_at("tmpfs", "/tmp");
	put("/proc/sys/vm/nr_hugepages", pages ? pages : "0");
	put("/proc/sys/vm/unprivileged_userfaultfd", "1");
	add_swap();
	add_cpus();
	setenv("PATH", "/", 1);
	setenv("HOME", "/tmp", 1);
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

static int start(struct job *job, pid_t *pid)
{
	/* A terminal, for its line buffering: what is said is out before a crash. */
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	struct termios mode;
	char *name;

	if (fd < 0 || unlockpt(fd) || tcgetattr(fd, &mode))
		give_up("open a terminal");
	mode.c_oflag &= ~OPOST;
	if (tcsetattr(fd, TCSANOW, &mode))
		give_up("set up a terminal");
	name = ptsname(fd);
	*pid = fork();
	if (*pid < 0)
		give_up("fork");
	if (*pid == 0) {
		int tty;

		setsid();
		tty = open(name, O_RDWR);
		dup2(tty, 0);
		dup2(tty, 1);
		dup2(tty, 2);
		if (chdir("/tmp") == 0)
			execv(job->argv[0], job->argv);
		_exit(127);
	}
	return fd;
}

/* Run one command; false if it left something behind that cannot be killed. */
static bool run(struct job *job)
{
	struct line line = { .length = 0 };
	double end = now() + job->seconds;
	double beat = now() + BEAT;
	bool stop = false, over = false;
	struct pollfd poller;
	int status = 0;
	pid_t pid;

	tell("begin %s", job->name);
	poller.fd = start(job, &pid);
	poller.events = POLLIN;
	while (!over && !stop && now() < end) {
		over = waitpid(pid, &status, WNOHANG) == pid;
		if (poll(&poller, 1, over ? 0 : 50) > 0 &&
		    !relay(poller.fd, &line, job->stop_at, &stop) && !over)
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
		tell("end %s stuck", job->name);
		return false;
	}
	close(poller.fd);
	if (over && WIFSIGNALED(status))
		tell("end %s signal %d", job->name, WTERMSIG(status));
	else if (over)
		tell("end %s exit %d", job->name, WEXITSTATUS(status));
	else
		tell("end %s %s", job->name, stop ? "stopped" : "hung");
	return true;
}

static bool parse(char *text, struct job *job)
{
	char *seconds, *word;
	int count = 0;

	job->name = strsep(&text, "\t");
	seconds = strsep(&text, "\t");
	job->stop_at = strsep(&text, "\t");
	while ((word = strsep(&text, "\t")) && count < MAX_ARGS)
		job->argv[count++] = word;
	job->argv[count] = NULL;
	if (!count)
		return false;
	job->seconds = atoi(seconds);
	return true;
}

int main(void)
{
	const char *skip = getenv("selftests_skip");
	int left = skip ? atoi(skip) : 0;
	char text[1000];
	struct job job;
	FILE *plan;

	set_up();
	plan = fopen("/plan", "re");
	if (!plan)
		give_up("read /plan");
	while (fgets(text, sizeof(text), plan)) {
		text[strcspn(text, "\n")] = '\0';
		if (left-- > 0)
			continue;
		if (!parse(text, &job)) {
			tell("cannot read the plan: %.200s", text);
			leave();
		}
		if (!run(&job))
			leave();
	}
	tell("over");
	leave();
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compacts a fragmented heap while threads use it, as a concurrent collector does.
 *
 * A page of the heap holds two objects. The seed decides which of them are live, in
 * runs of pages: in some both, in some one, in some none. Each live object has its
 * place in a new area, which is registered with userfaultfd. Workers bring the pages
 * of the new area: one with two live objects as it is; live objects that are alone in
 * their page are gathered two and two. As they go along the heap, they give back what
 * nobody needs any longer. From the beginning mutators read and write objects at
 * their new place. Where nothing is yet they fault, and a server brings that page at
 * once.
 *
 *   move   UFFDIO_MOVE. Objects are gathered in dead pages of the heap, which move then.
 *   copy   UFFDIO_COPY. Objects are gathered in a buffer; MADV_DONTNEED takes the source.
 *
 * Every object knows which one it is and has a checksum. Mutators look at all of an
 * object whenever they use one. After each round every object is looked at, and the
 * heap must be empty.
 *
 * Prints "figure collector.MODE.WORKERS.NAME VALUE UNIT" for:
 *
 *   completion    from the start to the last page, with all memory given back
 *   cpu           CPU time of all workers
 *   stall         a mutator's longest single access
 *   wait          the mean access to a page that was not there yet
 *   faults        faults that the server read
 *   served        pages that it brought; the others a worker was about to bring
 *   minflt        page faults of all threads
 * These are the median of all rounds. Over all rounds:
 *   longest       the longest single access
 *   retries       calls that had to be repeated: EAGAIN, EBUSY, or done in part
 *   fallbacks     pages that could not be moved and were copied
 *
 * The exit status is 0; 1 if something went wrong; 2 if the options are; 4 if this
 * kernel has not what is needed.
 */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef UFFDIO_MOVE
#define UFFD_FEATURE_MOVE	0x10000
#define _UFFDIO_MOVE		0x05
#define UFFDIO_MOVE		_IOWR(UFFDIO, _UFFDIO_MOVE, struct uffdio_move)

struct uffdio_move {
	__u64 dst;
	__u64 src;
	__u64 len;
	__u64 mode;
	__s64 move;
};
#endif

#define PAGE		4096u
#define OBJECT		(PAGE / 2)
#define MAX_THREADS	16
/* 64-bit words of an object beside its head. */
#define WORDS		(OBJECT / 8 - 3 - MAX_THREADS / 2)
#define MAX_ROUNDS	100
#define MIN_PAGES	256
#define MAX_PAGES	1048576
/* Pages of the heap that a worker takes at a time, and then gives back. */
#define CHUNK		64
/* Pages that a drawn run has at most. */
#define RUN		32
/* Of a hundred runs: with two live objects a page, and with one. */
#define PERCENT_WHOLE	40
#define PERCENT_HALF	10
/* Microseconds between two accesses of a mutator. */
#define PAUSE		50
/* How often a page that is busy is tried, before it is copied. */
#define TRIES		100
/* The clock must be this fine, in ns. */
#define RESOLUTION	1000

enum { SUCCESS = 0, FAILURE = 1, USAGE = 2, SKIP = 4 };

enum state { ABSENT, CLAIMED, PRESENT };

/* What an old page has. Recycled ones are dead, and others are gathered there. */
enum kind { DEAD, RECYCLED, LOW, HIGH, WHOLE };

struct object {
	uint64_t index;
	uint64_t round;
	uint64_t sum;
	/* Each mutator has one, and counts what it wrote. */
	uint32_t writes[MAX_THREADS];
	uint64_t body[WORDS];
};

static_assert(sizeof(struct object) == OBJECT, "two objects fill a page");

/* A page of the new area. */
struct page {
	atomic_uint state;
	/* The old page that it is made of, or gathered in. */
	uint32_t source;
	/* Its objects, by their number in the heap. */
	uint32_t objects[2];
};

struct thread {
	pthread_t id;
	unsigned int number;
	/* Where objects are gathered that will be copied. */
	char *buffer;
	uint64_t start, end, cpu;
	uint64_t stall, waited, waits;
	uint64_t faults, served;
	/* By object of the new area. */
	uint32_t *writes;
};

struct round {
	uint64_t completion, cpu, stall, wait, faults, served, minflt;
};

static struct {
	bool move;
	unsigned long workers, mutators, pages, rounds, seed, limit;
} options = {
	.workers = 1, .mutators = 2, .pages = 16384, .rounds = 5, .seed = 1, .limit = 60,
};

static struct {
	int uffd;
	char *old, *new;
	uint8_t *kinds;
	struct page *pages;
	/* How many pages the new area has, and how many of them are not gathered. */
	uint32_t total, whole;
	/* By chunk of the heap: the first page of the new area that comes from there. */
	uint32_t *starts;
	uint32_t chunks;
	unsigned long round;
	pthread_barrier_t barrier;
	/* The next chunk, or after these the next piece of what is gathered. */
	atomic_uint next;
	atomic_uint present, working;
	/* Mutators that are about to use an object. */
	atomic_uint running;
	atomic_bool over;
	atomic_ulong retries, fallbacks;
} heap;

/* Without stdio's locks: other threads may hang. The first one to complain has the word. */
static noreturn void finish(int status, const char *format, ...)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;
	char text[300] = "collector: ";
	size_t length = strlen(text);
	va_list args;

	while (atomic_flag_test_and_set(&said))
		pause();
	va_start(args, format);
	vsnprintf(text + length, sizeof(text) - length - 1, format, args);
	va_end(args);
	strcat(text, "\n");
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		_exit(FAILURE);
	_exit(status);
}

#define fail(format, ...) finish(FAILURE, "round %lu: " format, heap.round, ##__VA_ARGS__)

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static uint64_t now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* The next number of the splitmix64 generator. */
static uint64_t draw(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (!memory)
		finish(FAILURE, "no memory for %zu of %zu bytes", count, size);
	return memory;
}

static uint64_t sum_of(const struct object *object)
{
	uint64_t sum = object->index ^ (object->round << 32) ^ options.seed;
	size_t i;

	for (i = 0; i < WORDS; i++)
		sum = (sum ^ object->body[i]) * 0x100000001b3ull + i;
	return sum;
}

static void write_object(uint32_t index)
{
	struct object *object = (void *)(heap.old + (size_t)index * OBJECT);
	uint64_t state = options.seed ^ ((uint64_t)index << 20) ^ heap.round;
	size_t i;

	memset(object, 0, sizeof(*object));
	object->index = index;
	object->round = heap.round;
	for (i = 0; i < WORDS; i++)
		object->body[i] = draw(&state);
	object->sum = sum_of(object);
}

/* The object in @slot of the new area. */
static struct object *object_at(uint32_t slot)
{
	return (void *)(heap.new + (size_t)slot * OBJECT);
}

static void check_object(uint32_t slot, const char *who)
{
	const struct object *object = object_at(slot);
	uint32_t index = heap.pages[slot / 2].objects[slot % 2];

	if (object->index != index)
		fail("%s finds object %llu where %u belongs (page %u)", who,
		     (unsigned long long)object->index, index, slot / 2);
	if (object->round != heap.round)
		fail("%s finds object %u of round %llu", who, index,
		     (unsigned long long)object->round);
	if (object->sum != sum_of(object))
		fail("%s finds object %u with wrong contents (page %u)", who, index, slot / 2);
}

/* Decide what is live, and where it will be. */
static void plan(void)
{
	uint32_t page, end, dead = 0, halves = 0, gathered, slot;
	uint64_t state = options.seed;
	int kind = DEAD;

	heap.kinds = allocate(options.pages, 1);
	for (page = 0, end = 0; page < options.pages; page++) {
		if (page == end) {
			uint64_t drawn = draw(&state) % 100;

			kind = drawn < PERCENT_WHOLE ? WHOLE :
			       drawn < PERCENT_WHOLE + PERCENT_HALF ? LOW : DEAD;
			end += 1 + draw(&state) % RUN;
		}
		heap.kinds[page] = kind == LOW && draw(&state) % 2 ? HIGH : kind;
		heap.whole += kind == WHOLE;
		halves += kind == LOW;
		dead += kind == DEAD;
	}
	gathered = halves / 2;
	if (!heap.whole || !gathered || dead < gathered)
		finish(USAGE, "seed %lu draws too few of one kind of %lu pages: take others",
		       options.seed, options.pages);

	heap.total = heap.whole + gathered;
	heap.pages = allocate(heap.total, sizeof(*heap.pages));
	heap.chunks = (options.pages + CHUNK - 1) / CHUNK;
	heap.starts = allocate(heap.chunks + 1, sizeof(*heap.starts));
	halves = 0;
	dead = 0;
	slot = 0;
	for (page = 0; page < options.pages; page++) {
		struct page *new = &heap.pages[slot];

		if (page % CHUNK == 0)
			heap.starts[page / CHUNK] = slot;
		kind = heap.kinds[page];
		if (kind == WHOLE) {
			new->source = page;
			new->objects[0] = page * 2;
			new->objects[1] = page * 2 + 1;
			slot++;
		} else if (kind == DEAD && dead < gathered) {
			heap.pages[heap.whole + dead++].source = page;
			heap.kinds[page] = RECYCLED;
		} else if (kind == LOW || kind == HIGH) {
			/* If their number is odd, the last one dies. */
			if (halves == 2 * gathered) {
				heap.kinds[page] = DEAD;
				continue;
			}
			new = &heap.pages[heap.whole + halves / 2];
			new->objects[halves++ % 2] = page * 2 + (kind == HIGH);
		}
	}
	heap.starts[heap.chunks] = slot;
}

static bool claim(uint32_t page)
{
	unsigned int expected = ABSENT;

	return atomic_compare_exchange_strong(&heap.pages[page].state, &expected, CLAIMED);
}

static void copy_pages(char *to, char *from, size_t length)
{
	while (length) {
		struct uffdio_copy copy = {
			.dst = (uintptr_t)to, .src = (uintptr_t)from, .len = length,
		};

		if (!ioctl(heap.uffd, UFFDIO_COPY, &copy))
			return;
		if (errno != EAGAIN)
			fail("UFFDIO_COPY of %zu bytes: %s", length, strerror(errno));
		heap.retries++;
		/* Without an error of its own it is how much has been copied. */
		if (copy.copy > 0) {
			to += copy.copy;
			from += copy.copy;
			length -= copy.copy;
		}
	}
}

static void move_pages(char *to, char *from, size_t length)
{
	unsigned int tries = 0;

	while (length) {
		struct uffdio_move move = {
			.dst = (uintptr_t)to, .src = (uintptr_t)from, .len = length,
		};

		if (!ioctl(heap.uffd, UFFDIO_MOVE, &move)) {
			if (move.move != (__s64)length)
				fail("UFFDIO_MOVE of %zu bytes moves %lld", length,
				     (long long)move.move);
			return;
		}
		if (errno != EAGAIN && errno != EBUSY)
			fail("UFFDIO_MOVE of %zu bytes: %s", length, strerror(errno));
		heap.retries++;
		if (move.move > 0) {
			tries = 0;
		} else if (errno == EAGAIN || ++tries < TRIES) {
			sched_yield();
			continue;
		} else {
			/* Pinned, or another process has it too. */
			copy_pages(to, from, PAGE);
			heap.fallbacks++;
			move.move = PAGE;
			tries = 0;
		}
		to += move.move;
		from += move.move;
		length -= move.move;
	}
}

/* The old memory that @page is made of, or gathered in if it is to move. */
static char *source_of(uint32_t page)
{
	return heap.old + (size_t)heap.pages[page].source * PAGE;
}

static void gather(uint32_t page, char *to)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		memcpy(to + i * OBJECT,
		       heap.old + (size_t)heap.pages[page].objects[i] * OBJECT, OBJECT);
}

/* Bring @count pages which the caller has claimed, and whose sources are in a row. */
static void bring(struct thread *me, uint32_t first, uint32_t count)
{
	char *to = heap.new + (size_t)first * PAGE;
	char *from = source_of(first);
	uint32_t i;

	if (first >= heap.whole) {
		if (!options.move)
			from = me->buffer;
		for (i = 0; i < count; i++)
			gather(first + i, from + (size_t)i * PAGE);
	}
	if (options.move)
		move_pages(to, from, (size_t)count * PAGE);
	else
		copy_pages(to, from, (size_t)count * PAGE);
	for (i = 0; i < count; i++)
		atomic_store(&heap.pages[first + i].state, PRESENT);
	heap.present += count;
}

/* Tell whether one call can bring @page and the one before it. */
static bool in_a_row(uint32_t page)
{
	/* In a buffer they always are. */
	if (!options.move && page > heap.whole)
		return true;
	return heap.pages[page].source == heap.pages[page - 1].source + 1;
}

/* Bring the pages from @first to @end, less those that somebody else brings. */
static void bring_all(struct thread *me, uint32_t first, uint32_t end)
{
	uint32_t page, count;

	for (page = first; page < end; page += count ? count : 1) {
		count = 0;
		while (page + count < end && (!count || in_a_row(page + count)) &&
		       claim(page + count))
			count++;
		if (count)
			bring(me, page, count);
	}
}

static void give_back(uint32_t first, uint32_t end)
{
	if (first < end && madvise(heap.old + (size_t)first * PAGE, (size_t)(end - first) * PAGE,
				   MADV_DONTNEED))
		fail("MADV_DONTNEED: %s", strerror(errno));
}

/* Give back what nobody needs of a chunk of the heap. */
static void give_back_chunk(uint32_t chunk)
{
	uint32_t first = chunk * CHUNK, end = first + CHUNK;
	uint32_t page;

	/* The server may be bringing one. */
	for (page = heap.starts[chunk]; page < heap.starts[chunk + 1]; page++)
		while (atomic_load(&heap.pages[page].state) != PRESENT)
			sched_yield();
	if (end > options.pages)
		end = options.pages;
	for (page = first; page < end; page++) {
		unsigned int kind = heap.kinds[page];

		if (kind == WHOLE || kind == DEAD || (kind == RECYCLED && !options.move))
			continue;
		give_back(first, page);
		first = page + 1;
	}
	give_back(first, end);
}

static void *work(void *data)
{
	const struct sched_param none = { 0 };
	struct thread *me = data;
	uint32_t item, first, end;

	/*
	 * As collectors do: whoever uses the heap comes first. Else a stall is the time
	 * slice of a worker, on the CPU that the mutator or the server last was on.
	 */
	if (sched_setscheduler(0, SCHED_IDLE, &none))
		fail("sched_setscheduler: %s", strerror(errno));
	pthread_barrier_wait(&heap.barrier);
	/* The mutators are first, or on a busy machine it is all over before they run. */
	while (heap.running != options.mutators)
		sched_yield();
	me->cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	me->start = now();
	for (;;) {
		item = heap.next++;
		if (item < heap.chunks) {
			bring_all(me, heap.starts[item], heap.starts[item + 1]);
			give_back_chunk(item);
			continue;
		}
		first = heap.whole + (item - heap.chunks) * CHUNK;
		if (first >= heap.total)
			break;
		end = first + CHUNK;
		bring_all(me, first, end < heap.total ? end : heap.total);
	}
	/* The last one gives back what is left. */
	if (--heap.working == 0) {
		while (heap.present != heap.total)
			sched_yield();
		give_back(0, options.pages);
	}
	me->end = now();
	me->cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - me->cpu;
	return NULL;
}

static void answer(struct thread *me, const struct uffd_msg *message)
{
	uint64_t address = message->arg.pagefault.address & ~(uint64_t)(PAGE - 1);
	uint32_t page = (address - (uintptr_t)heap.new) / PAGE;
	struct uffdio_range range = { .start = address, .len = PAGE };

	if (message->event != UFFD_EVENT_PAGEFAULT || page >= heap.total)
		fail("userfaultfd tells of event %u at page %u", message->event, page);
	me->faults++;
	if (claim(page)) {
		bring(me, page, 1);
		me->served++;
	} else if (atomic_load(&heap.pages[page].state) == PRESENT &&
		   ioctl(heap.uffd, UFFDIO_WAKE, &range)) {
		fail("UFFDIO_WAKE: %s", strerror(errno));
	}
	/* Whoever is bringing it wakes those who wait. */
}

static void *serve(void *data)
{
	struct pollfd poller = { .fd = heap.uffd, .events = POLLIN };
	struct thread *me = data;
	struct uffd_msg messages[MAX_THREADS];
	ssize_t got;
	size_t i;

	pthread_barrier_wait(&heap.barrier);
	while (!heap.over) {
		if (poll(&poller, 1, 10) <= 0)
			continue;
		got = read(heap.uffd, messages, sizeof(messages));
		if (got < 0 && errno != EAGAIN)
			fail("reading userfaultfd: %s", strerror(errno));
		for (i = 0; got > 0 && i < got / sizeof(messages[0]); i++)
			answer(me, &messages[i]);
	}
	return NULL;
}

static void *mutate(void *data)
{
	uint64_t state = options.seed + heap.round * MAX_THREADS;
	struct thread *me = data;
	struct object *object;
	uint64_t took;
	uint32_t slot;
	bool absent;

	state += me->number;
	pthread_barrier_wait(&heap.barrier);
	heap.running++;
	while (!heap.over) {
		slot = draw(&state) % (2 * heap.total);
		object = object_at(slot);
		absent = atomic_load(&heap.pages[slot / 2].state) != PRESENT;
		took = now();
		__atomic_load_n(&object->index, __ATOMIC_SEQ_CST);
		took = now() - took;
		if (took > me->stall)
			me->stall = took;
		if (absent) {
			me->waited += took;
			me->waits++;
		}
		check_object(slot, "a mutator");
		if (object->writes[me->number] != me->writes[slot])
			fail("a mutator misses what it wrote to object %llu",
			     (unsigned long long)object->index);
		object->writes[me->number] = ++me->writes[slot];
		usleep(PAUSE);
	}
	return NULL;
}

/* Have userfaultfd watch the new area, or no longer. */
static void watch(bool on)
{
	struct uffdio_register area = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	area.range.start = (uintptr_t)heap.new;
	area.range.len = (size_t)heap.total * PAGE;
	if (on ? ioctl(heap.uffd, UFFDIO_REGISTER, &area) :
		 ioctl(heap.uffd, UFFDIO_UNREGISTER, &area.range))
		fail("UFFDIO_%sREGISTER: %s", on ? "" : "UN", strerror(errno));
}

static void start(struct thread *thread, void *(*run)(void *))
{
	int error = pthread_create(&thread->id, NULL, run, thread);

	if (error)
		fail("starting a thread: %s", strerror(error));
}

/* Wait for a thread; if it does not end, something hangs. */
static void join(struct thread *thread, const struct timespec *end, const char *who)
{
	int error = pthread_timedjoin_np(thread->id, NULL, end);

	if (error == ETIMEDOUT)
		fail("hung: %s is not done after %lu s, %u of %u pages are there", who,
		     options.limit, heap.present, heap.total);
	if (error)
		fail("waiting for a thread: %s", strerror(error));
}

static void check_all(struct thread *mutators)
{
	uint32_t slot, page;
	unsigned int i;

	/* What is missing is to be found, not waited for. */
	watch(false);
	for (slot = 0; slot < 2 * heap.total; slot++) {
		check_object(slot, "the end");
		for (i = 0; i < options.mutators; i++)
			if (object_at(slot)->writes[i] != mutators[i].writes[slot])
				fail("writes to object %llu are lost",
				     (unsigned long long)object_at(slot)->index);
	}
	for (page = 0; page < options.pages; page++)
		if (*(uint64_t *)(heap.old + (size_t)page * PAGE + offsetof(struct object, sum)))
			fail("page %u of the heap is not empty", page);
}

static long minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

/* Set up the heap as it is before anything moves. */
static void fill(void)
{
	uint32_t index, page;

	for (index = 0; index < 2 * options.pages; index++)
		write_object(index);
	if (madvise(heap.new, (size_t)heap.total * PAGE, MADV_DONTNEED))
		fail("MADV_DONTNEED: %s", strerror(errno));
	watch(true);
	for (page = 0; page < heap.total; page++)
		heap.pages[page].state = ABSENT;
	heap.next = 0;
	heap.present = 0;
	heap.working = options.workers;
	heap.running = 0;
	heap.over = false;
}

static struct round run_round(void)
{
	struct thread workers[MAX_THREADS] = { }, mutators[MAX_THREADS] = { }, server = { };
	uint64_t first = UINT64_MAX, last = 0, waited = 0, waits = 0;
	struct round round = { };
	struct timespec end;
	unsigned long i;

	fill();
	server.buffer = allocate(1, PAGE);
	for (i = 0; i < options.workers; i++)
		workers[i].buffer = allocate(CHUNK, PAGE);
	for (i = 0; i < options.mutators; i++) {
		mutators[i].number = i;
		mutators[i].writes = allocate(2 * heap.total, sizeof(uint32_t));
	}
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += options.limit;
	round.minflt = minor_faults();
	pthread_barrier_init(&heap.barrier, NULL, options.workers + options.mutators + 1);
	start(&server, serve);
	for (i = 0; i < options.mutators; i++)
		start(&mutators[i], mutate);
	for (i = 0; i < options.workers; i++)
		start(&workers[i], work);

	for (i = 0; i < options.workers; i++) {
		join(&workers[i], &end, "a worker");
		if (workers[i].start < first)
			first = workers[i].start;
		if (workers[i].end > last)
			last = workers[i].end;
		round.cpu += workers[i].cpu;
		free(workers[i].buffer);
	}
	heap.over = true;
	for (i = 0; i < options.mutators; i++) {
		join(&mutators[i], &end, "a mutator");
		if (mutators[i].stall > round.stall)
			round.stall = mutators[i].stall;
		waited += mutators[i].waited;
		waits += mutators[i].waits;
	}
	join(&server, &end, "the server");
	round.minflt = minor_faults() - round.minflt;
	round.completion = last - first;
	round.wait = waits ? waited / waits : 0;
	round.faults = server.faults;
	round.served = server.served;
	pthread_barrier_destroy(&heap.barrier);
	free(server.buffer);
	check_all(mutators);
	for (i = 0; i < options.mutators; i++)
		free(mutators[i].writes);
	return round;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *one = a, *other = b;

	return *one < *other ? -1 : *one > *other;
}

static void print_figure(const char *name, uint64_t value, const char *unit)
{
	printf("figure collector.%s.%lu.%s %llu %s\n", options.move ? "move" : "copy",
	       options.workers, name, (unsigned long long)value, unit);
}

/* The median over all rounds of the value at @offset. */
static void median(struct round *rounds, size_t offset, const char *name, const char *unit)
{
	uint64_t values[MAX_ROUNDS];
	size_t i;

	for (i = 0; i < options.rounds; i++)
		values[i] = *(uint64_t *)((char *)&rounds[i] + offset);
	qsort(values, options.rounds, sizeof(values[0]), compare);
	print_figure(name, values[options.rounds / 2], unit);
}

static void *area(size_t pages)
{
	void *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		finish(FAILURE, "no memory for %zu pages", pages);
	/* Not of this, and fails where there are no huge pages. */
	madvise(memory, pages * PAGE, MADV_NOHUGEPAGE);
	return memory;
}

static void set_up(void)
{
	struct uffdio_api api = {
		.api = UFFD_API, .features = options.move ? UFFD_FEATURE_MOVE : 0,
	};
	struct timespec resolution;

	if (sysconf(_SC_PAGESIZE) != PAGE)
		finish(SKIP, "skip: pages of this machine are not of %u bytes", PAGE);
	if (clock_getres(CLOCK_MONOTONIC, &resolution) || resolution.tv_sec ||
	    resolution.tv_nsec > RESOLUTION)
		finish(SKIP, "skip: the clock of this machine is too coarse");
	heap.uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	if (heap.uffd < 0)
		finish(SKIP, "skip: no userfaultfd: %s", strerror(errno));
	if (ioctl(heap.uffd, UFFDIO_API, &api))
		finish(SKIP, "skip: this kernel has no UFFDIO_%s: %s",
		       options.move ? "MOVE" : "API", strerror(errno));
	heap.old = area(options.pages);
	/* Apart from the other one, as areas of different mappings are. */
	mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	heap.new = area(heap.total);
	/* With an anon_vma: only the first page that comes would have to get one. */
	memset(heap.new, 0, PAGE);
}

static unsigned long read_number(const char *name, const char *text, unsigned long low,
				 unsigned long high)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || !*text || *text == '-' || *end || value < low || value > high)
		finish(USAGE, "--%s takes a number from %lu to %lu, not '%.40s'", name, low,
		       high, text);
	return value;
}

/* join() does not see what hangs in the main thread. */
static void on_alarm(int signal)
{
	static const char text[] = "collector: hung outside of the threads\n";

	(void)signal;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(FAILURE);
	_exit(FAILURE);
}

static void parse(int argc, char **argv)
{
	static const struct option known[] = {
		{ "mode", required_argument, NULL, 'm' },
		{ "workers", required_argument, NULL, 'w' },
		{ "mutators", required_argument, NULL, 'u' },
		{ "pages", required_argument, NULL, 'p' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "seed", required_argument, NULL, 's' },
		{ "limit", required_argument, NULL, 'l' },
		{ }
	};
	bool mode = false;
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		if (option == 'm') {
			mode = !strcmp(optarg, "move") || !strcmp(optarg, "copy");
			options.move = !strcmp(optarg, "move");
		} else if (option == 'w') {
			options.workers = read_number("workers", optarg, 1, MAX_THREADS);
		} else if (option == 'u') {
			options.mutators = read_number("mutators", optarg, 0, MAX_THREADS);
		} else if (option == 'p') {
			options.pages = read_number("pages", optarg, MIN_PAGES, MAX_PAGES);
		} else if (option == 'r') {
			options.rounds = read_number("rounds", optarg, 1, MAX_ROUNDS);
		} else if (option == 's') {
			options.seed = read_number("seed", optarg, 0, UINT32_MAX);
		} else if (option == 'l') {
			options.limit = read_number("limit", optarg, 1, 3600);
		} else {
			_exit(USAGE);
		}
	}
	if (!mode || optind < argc)
		finish(USAGE, "usage: --mode move|copy%s%s",
		       " [--workers N] [--mutators N] [--pages N]",
		       " [--rounds N] [--seed N] [--limit SECONDS]");
}

int main(int argc, char **argv)
{
	struct round rounds[MAX_ROUNDS];
	uint64_t longest = 0, faults = 0;
	unsigned long i;

	parse(argc, argv);
	plan();
	set_up();
	signal(SIGALRM, on_alarm);
	alarm(options.rounds * options.limit + 60);
	printf("%lu pages: %u live, %u more to be gathered in %u\n", options.pages, heap.whole,
	       2 * (heap.total - heap.whole), heap.total - heap.whole);
	printf("%lu mutators, %lu rounds, seed %lu\n", options.mutators, options.rounds,
	       options.seed);
	fflush(stdout);
	for (i = 0; i < options.rounds; i++) {
		heap.round = i + 1;
		rounds[i] = run_round();
		if (rounds[i].stall > longest)
			longest = rounds[i].stall;
		faults += rounds[i].faults;
	}
	if (options.mutators && !faults)
		fail("no mutator found a page missing: take more pages");

	median(rounds, offsetof(struct round, completion), "completion", "ns");
	median(rounds, offsetof(struct round, cpu), "cpu", "ns");
	median(rounds, offsetof(struct round, stall), "stall", "ns");
	median(rounds, offsetof(struct round, wait), "wait", "ns");
	median(rounds, offsetof(struct round, faults), "faults", "count");
	median(rounds, offsetof(struct round, served), "served", "count");
	median(rounds, offsetof(struct round, minflt), "minflt", "count");
	print_figure("longest", longest, "ns");
	print_figure("retries", heap.retries, "count");
	print_figure("fallbacks", heap.fallbacks, "count");
	return SUCCESS;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * leaks_odd CASE: as leaks, for pointers that are kept in unusual places. It ends with _exit, so
 * that nothing of it is destroyed.
 */
#include <any>
#include <coroutine>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <dlfcn.h>
#include <exception>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <memory_resource>
#include <pthread.h>
#include <setjmp.h>
#include <string>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <thread>
#include <ucontext.h>
#include <unistd.h>
#include <unordered_map>
#include <variant>
#include <vector>

#define NOIPA __attribute__((noipa))

NOIPA static void scrub()
{
	char rubbish[16384];

	memset(rubbish, 0, sizeof(rubbish));
	__asm__ volatile("" ::"r"(rubbish) : "memory");
}

/* What compilers may not throw away. */
NOIPA static void *block(size_t size)
{
	return malloc(size);
}

/* Containers of thread-local data, of this thread and of one that waits. */
static thread_local std::list<std::string> list;
static thread_local std::map<int, std::string> map;
static thread_local std::deque<std::string> deque;
static thread_local std::unordered_map<int, std::string> unordered;

NOIPA static void fill_containers()
{
	for (int i = 0; i < 100; i++) {
		std::string text(50 + i, 'x');

		list.push_back(text);
		map[i] = text;
		deque.push_back(text);
		unordered[i] = text;
	}
	deque.pop_front();
}

/* Run @run in a thread that stays. */
NOIPA static void in_thread(void (*run)())
{
	static pthread_barrier_t barrier;

	pthread_barrier_init(&barrier, nullptr, 2);
	std::thread([run] {
		run();
		scrub();
		pthread_barrier_wait(&barrier);
		for (;;)
			pause();
	}).detach();
	pthread_barrier_wait(&barrier);
}

NOIPA static void thread_containers()
{
	fill_containers();
	in_thread(fill_containers);
}

NOIPA static void function()
{
	auto shared = std::make_shared<std::vector<std::string>>(20, std::string(60, 'z'));
	static std::function<size_t()> held;

	held = [shared, text = std::string(70, 'f')] { return shared->size() + text.size(); };
	new std::function<size_t()>(held);
}

/* Blocked in a system call, a register that the call keeps is all there is. */
NOIPA static void wait_with_register()
{
#ifdef __x86_64__
	static pthread_barrier_t barrier;

	pthread_barrier_init(&barrier, nullptr, 2);
	std::thread([] {
		register void *p __asm__("r12") = block(1234);
		long ret;

		scrub();
		__asm__ volatile("" : "+r"(p));
		pthread_barrier_wait(&barrier);
		__asm__ volatile("syscall"
				 : "=a"(ret)
				 : "a"(SYS_pause), "r"(p)
				 : "rcx", "r11", "memory");
	}).detach();
	pthread_barrier_wait(&barrier);
	usleep(100000);
#endif
}

/* A context that was left: what it had in registers lies in its ucontext. */
static ucontext_t mine, other;

NOIPA static void run_other()
{
#ifdef __x86_64__
	register void *p __asm__("r13") = block(4321);

	scrub();
	__asm__ volatile("" : "+r"(p));
	swapcontext(&other, &mine);
	__asm__ volatile("" ::"r"(p));
#endif
}

NOIPA static void context()
{
	static char *stack = static_cast<char *>(block(65536));

	getcontext(&other);
	other.uc_stack.ss_sp = stack;
	other.uc_stack.ss_size = 65536;
	makecontext(&other, run_other, 0);
	swapcontext(&mine, &other);
}

static jmp_buf buffer;

NOIPA static void save()
{
	setjmp(buffer);
}

NOIPA static void jump_buffer()
{
#ifdef __x86_64__
	register void *p __asm__("r14") = block(777);

	__asm__ volatile("" : "+r"(p));
	save();
	__asm__ volatile("" ::"r"(p));
#endif
}

/* More keys than the first level holds. */
NOIPA static void specific()
{
	pthread_key_t key;

	for (int i = 0; i < 100; i++) {
		pthread_key_create(&key, nullptr);
		pthread_setspecific(key, block(100 + i));
	}
}

static void *library;

NOIPA static void set_tls()
{
	auto set = reinterpret_cast<void (*)(void *)>(dlsym(library, "keeper_set"));

	set(block(555));
}

NOIPA static void library_tls()
{
	std::string path(program_invocation_name);

	library = dlopen((path.substr(0, path.rfind('/')) + "/libkeeper.so").c_str(), RTLD_NOW);
	if (!library)
		_exit(3);
	set_tls();
	in_thread(set_tls);
}

struct Problem {
	std::string text = std::string(80, 'p');
	void *more = block(81);
};

NOIPA static void exception()
{
	try {
		throw Problem();
	} catch (Problem &) {
		scrub();
		_exit(0);
	}
}

NOIPA static void exception_pointer()
{
	static std::exception_ptr held;

	held = std::make_exception_ptr(Problem());
}

struct Task {
	struct promise_type {
		Task get_return_object()
		{
			return {std::coroutine_handle<promise_type>::from_promise(*this)};
		}
		std::suspend_never initial_suspend()
		{
			return {};
		}
		std::suspend_always final_suspend() noexcept
		{
			return {};
		}
		void return_void()
		{
		}
		void unhandled_exception()
		{
		}
	};
	std::coroutine_handle<promise_type> handle;
};

NOIPA static Task suspended(int n)
{
	std::string text(n, 'c');
	void *volatile p = block(n);

	co_await std::suspend_always();
	free(p);
}

NOIPA static void coroutine()
{
	static std::coroutine_handle<> held = suspended(120).handle;

	suspended(130);
	__asm__ volatile("" ::"r"(&held) : "memory");
}

NOIPA static void mappings()
{
	auto map = [](size_t size, int flags) {
		return static_cast<char *>(
			mmap(nullptr, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0));
	};
	char *shared = map(4096, MAP_SHARED), *huge = map(8 << 20, MAP_PRIVATE);
	char *big = reinterpret_cast<char *>((reinterpret_cast<uintptr_t>(huge) + (2 << 20)) &
					     -(2UL << 20));

	madvise(big, 4 << 20, MADV_HUGEPAGE);
	*reinterpret_cast<void **>(shared + 64) = block(64);
	*reinterpret_cast<void **>(big + (3 << 20)) = block(65);
	block(66);
}

NOIPA static void tagged()
{
	static uintptr_t low, high;

	low = reinterpret_cast<uintptr_t>(block(200)) | 1;
	high = reinterpret_cast<uintptr_t>(block(300)) | 1UL << 60;
	__asm__ volatile("" ::"r"(&low), "r"(&high) : "memory");
}

NOIPA static void kernel()
{
	int fds[2], epoll = epoll_create1(0);
	void *p = block(400);
	struct epoll_event event = {};

	pipe(fds);
	write(fds[1], &p, sizeof(p));
	event.events = EPOLLIN;
	event.data.ptr = block(500);
	epoll_ctl(epoll, EPOLL_CTL_ADD, fds[0], &event);
}

/* The characters of a short string, and of a long one. */
NOIPA static void text()
{
	static std::string little, large;
	void *p = block(41), *q = block(42);

	little.assign(reinterpret_cast<char *>(&p), sizeof(p));
	large.assign(64, 'x');
	memcpy(&large[16], &q, sizeof(q));
	p = q = nullptr;
}

struct Base {
	virtual ~Base()
	{
	}
	long base = 1;
};
struct One : virtual Base {
	long one = 2;
};
struct Two : virtual Base {
	long two = 3;
};
struct Whole : One, Two {
	long whole = 4;
};

NOIPA static void virtual_bases()
{
	static Base *base = new Whole;
	static Two *two = new Whole;
	static long *member = &(new Whole)->whole;

	(void)base, (void)two, (void)member;
}

struct Element {
	~Element()
	{
		free(p);
	}
	void *p = block(24);
};

NOIPA static void arrays()
{
	static Element *held = new Element[10], *second = new Element[10] + 1;

	new Element[10];
	(void)held, (void)second;
}

NOIPA static void packed()
{
	static struct __attribute__((packed)) {
		char c;
		void *p;
	} odd = {1, block(90)};

	__asm__ volatile("" ::"r"(&odd) : "memory");
}

NOIPA static void variants()
{
	static std::any any = std::vector<int>(100);
	static std::variant<int, std::string> variant = std::string(90, 'v');
	static std::pmr::monotonic_buffer_resource pool;
	static std::pmr::vector<std::pmr::string> *strings =
		new std::pmr::vector<std::pmr::string>(&pool);

	for (int i = 0; i < 200; i++)
		strings->emplace_back(40, 's');
}

/* The heap's end is moved by somebody else; what lies there is the program's. */
NOIPA static void moved_break()
{
	auto *p = static_cast<void **>(sbrk(4096));

	p[3] = block(606);
	for (int i = 0; i < 200; i++)
		block(1000);
	p[4] = block(707);
}

NOIPA static void aligned()
{
	static void *held, *inside;
	void *lost;

	posix_memalign(&held, 256, 1000);
	posix_memalign(&lost, 256, 2000);
	lost = nullptr;
	inside = static_cast<char *>(aligned_alloc(4096, 8192)) + 4096;
	__asm__ volatile("" ::"r"(&held), "r"(&inside) : "memory");
}

static const struct {
	const char *name;
	void (*run)();
} cases[] = {
	{"thread_containers", thread_containers},
	{"function", function},
	{"wait_with_register", wait_with_register},
	{"context", context},
	{"jump_buffer", jump_buffer},
	{"specific", specific},
	{"library_tls", library_tls},
	{"exception", exception},
	{"exception_pointer", exception_pointer},
	{"coroutine", coroutine},
	{"mappings", mappings},
	{"tagged", tagged},
	{"kernel", kernel},
	{"text", text},
	{"virtual_bases", virtual_bases},
	{"arrays", arrays},
	{"packed", packed},
	{"variants", variants},
	{"moved_break", moved_break},
	{"aligned", aligned},
};

int main(int argc, char **argv)
{
	for (auto &c : cases) {
		if (argc < 2 || strcmp(c.name, argv[1]))
			continue;
		c.run();
		scrub();
		_exit(0);
	}
	return 2;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nothing wrong: objects of every size and alignment, deleted as what they are. */
#include <coroutine>
#include <functional>
#include <map>
#include <memory>
#include <memory_resource>
#include <new>
#include <sstream>
#include <string>

#include "findings.h"

struct empty {
};

struct base {
	virtual ~base() = default;
};

struct derived : base {
	std::string text = std::string(100, 'x');
};

struct alignas(128) aligned {
	char room[130];
	~aligned()
	{
		room[0] = 0;
	}
};

struct own_operators {
	char room[33];
	static void *operator new(size_t n)
	{
		return malloc(n + 8);
	}
	static void operator delete(void *p)
	{
		free(p);
	}
};

struct throws {
	throws()
	{
		throw 1;
	}
	char room[70];
};

struct task {
	struct promise_type {
		task get_return_object()
		{
			return {std::coroutine_handle<promise_type>::from_promise(*this)};
		}
		std::suspend_always initial_suspend()
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

NOIPA static task later(int n)
{
	std::string text(n, 'x');

	co_await std::suspend_always{};
	co_return;
}

NOIPA static void frees_in_a_small_frame()
{
	free(malloc(10));
}

/* In a frame that covers that one, where what it left is still there for a while. */
NOIPA static void deletes_in_a_large_frame()
{
	char room[2048];

	__asm__ volatile("" ::"r"(room) : "memory");
	for (int i = 0; i < 100; i++) {
		size_t n = i % 2 ? 24 : 17; /* the same place in the heap */
		void *p = ::operator new(n);

		if (i == 51)
			__builtin_memset(room, 0, sizeof(room));
		__asm__ volatile("" ::"r"(room) : "memory");
		::operator delete(p, n);
	}
}

int main(int argc, char **)
{
	int n = argc * 10;
	std::pmr::unsynchronized_pool_resource pool;
	std::pmr::string pooled(n * 100, 'x', &pool);
	std::map<int, std::string> map;
	std::function<int()> f = [n, a = std::string(50, 'x')] { return n + (int)a.size(); };
	std::ostringstream out;
	task t = later(n * 10);

	frees_in_a_small_frame();
	deletes_in_a_large_frame();
	delete new empty;
	delete[] new empty[n];
	delete[] new int[0 * n];
	base *b = new derived;
	delete b;
	delete[] new derived[n];
	delete new aligned;
	delete[] new aligned[n];
	delete new own_operators;
	delete new (std::nothrow) long;
	delete[] new (std::nothrow) long[n];
	try {
		delete new throws;
	} catch (int) {
	}
	for (int i = 0; i < 1000; i++) {
		map[i] = std::string(i, 'x');
		out << map[i];
	}
	map.clear();
	t.handle.resume();
	t.handle.destroy();
	std::allocator<long> a;
	a.deallocate(a.allocate(n), n);
	auto shared = std::make_shared<derived>();
	std::weak_ptr<derived> weak = shared;
	shared.reset();
	return weak.expired() && f() ? 0 : 1;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One allocation of MARK bytes at the end of a C++ call chain: frames_cxx KIND. As frames.c.
 */
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace
{
constexpr std::size_t mark = 54321;
char *volatile kept;

struct Marked {
	char bytes[mark];
};

[[gnu::noinline]] void allocate()
{
	kept = new char[mark];
	__asm__ volatile("" ::: "memory");
}

struct Base {
	virtual ~Base() = default;
	virtual void run() = 0;
};

struct Derived : Base {
	std::function<void()> f = allocate;
	[[gnu::noinline]] void run() override
	{
		f();
		__asm__ volatile("" ::: "memory");
	}
};

struct Guard {
	~Guard()
	{
		allocate();
	}
};

[[gnu::noinline]] void throws()
{
	Guard guard;
	throw std::runtime_error("thrown");
}

void in_destructor()
{
	try {
		throws();
	} catch (const std::exception &) {
	}
}

void in_catch()
{
	try {
		throw 1;
	} catch (int) {
		allocate();
		__asm__ volatile("" ::: "memory");
	}
}

void in_sort()
{
	std::vector<std::string> v{"c", "b", "a", "d"};
	std::stable_sort(v.begin(), v.end(), [](const std::string &a, const std::string &b) {
		if (!kept)
			allocate();
		return a < b;
	});
}

void in_map()
{
	auto *m = new std::map<std::string, Marked>;
	(*m)["key"];
}

void in_virtual()
{
	std::unique_ptr<Base> b = std::make_unique<Derived>();
	b->run();
}

void in_thread()
{
	std::thread t(allocate);
	t.join();
}
} // namespace

int main(int argc, char **argv)
{
	const std::map<std::string, void (*)()> kinds{
		{"destructor", in_destructor}, {"catch", in_catch},   {"sort", in_sort},
		{"map", in_map},	       {"virtual", in_virtual}, {"thread", in_thread},
	};
	const auto it = kinds.find(argc > 1 ? argv[1] : "");

	if (it == kinds.end())
		return 2;
	it->second();
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * busy_cxx SECONDS: threads that build, move, sort, hand over and destroy objects all the time. It
 * loses nothing.
 */
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <future>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace
{

struct Shape {
	virtual ~Shape() = default;
	std::string name = std::string(40, 's');
};

struct Named {
	virtual ~Named() = default;
	std::unique_ptr<int[]> numbers{new int[10]()};
};

struct Circle : Shape, Named {
	std::shared_ptr<Shape> other;
};

/* Work for another thread. */
struct Queue {
	std::mutex mutex;
	std::condition_variable changed;
	std::deque<std::function<size_t()>> work;
};

Queue queue;
std::atomic<bool> done{false};
std::atomic<size_t> sum{0};

/* Pointers that pass through registers: sorted, shuffled, inserted at the front. */
void sort_pointers(std::mt19937 &random)
{
	std::vector<std::unique_ptr<std::string>> v;

	for (int i = 0; i < 200; i++)
		v.insert(v.begin() + random() % (v.size() + 1),
			 std::make_unique<std::string>(std::to_string(random()) +
						       std::string(30, 'v')));
	std::sort(v.begin(), v.end(), [](auto &a, auto &b) { return *a < *b; });
	std::shuffle(v.begin(), v.end(), random);
	std::rotate(v.begin(), v.begin() + 3, v.end());
	sum += v.size();
}

/* An array of pointers that grows, as C does it, and moves by its own hand. */
void grow_array(std::mt19937 &random)
{
	char **array = nullptr;
	size_t n = 0;

	for (; n < 300; n++) {
		array = static_cast<char **>(realloc(array, (n + 1) * sizeof(*array)));
		array[n] = strdup(std::to_string(random()).c_str());
		std::swap(array[n], array[random() % (n + 1)]);
	}
	/* The first one goes to the end, everything else moves down. */
	for (int i = 0; i < 200; i++) {
		char *first = array[0];

		memmove(array, array + 1, (n - 1) * sizeof(*array));
		array[n - 1] = first;
	}
	while (n)
		free(array[--n]);
	free(array);
}

void fill_maps(std::mt19937 &random)
{
	static thread_local std::unordered_map<unsigned, std::list<std::string>> kept;
	static thread_local std::map<unsigned, std::shared_ptr<Circle>> circles;

	for (int i = 0; i < 100; i++) {
		unsigned key = random() % 500;
		auto circle = std::make_shared<Circle>();

		circle->other = circles[random() % 100];
		if (circle->other && random() % 3)
			circle->other.reset();
		circles[key % 100] = std::move(circle);
		kept[key].emplace_front(60, 'k');
		if (kept[key].size() > 3)
			kept.erase(key);
	}
	if (random() % 20 == 0)
		std::unordered_map<unsigned, std::list<std::string>>().swap(kept);
}

void hand_over(std::mt19937 &random)
{
	auto shared = std::make_shared<std::vector<std::string>>(5, std::string(50, 'q'));
	std::unique_lock<std::mutex> lock(queue.mutex);

	for (int i = 0; i < 5; i++)
		queue.work.push_back([shared, text = std::string(random() % 100, 't')] {
			return shared->size() + text.size();
		});
	while (queue.work.size() > 500)
		queue.work.pop_front();
	queue.changed.notify_one();
}

void produce(unsigned seed)
{
	std::mt19937 random(seed);

	while (!done) {
		sort_pointers(random);
		grow_array(random);
		fill_maps(random);
		hand_over(random);
		if (random() % 50 == 0)
			sum += std::async(std::launch::async, [] {
				       return std::string(500, 'a').size();
			       }).get();
	}
}

void consume()
{
	while (!done) {
		std::unique_lock<std::mutex> lock(queue.mutex);
		std::function<size_t()> work;

		queue.changed.wait_for(lock, std::chrono::milliseconds(10),
				       [] { return !queue.work.empty() || done; });
		if (queue.work.empty())
			continue;
		work = std::move(queue.work.front());
		queue.work.pop_front();
		lock.unlock();
		sum += work();
	}
}

} // namespace

int main(int argc, char **argv)
{
	std::vector<std::thread> threads;

	for (unsigned i = 0; i < 3; i++)
		threads.emplace_back(produce, i);
	threads.emplace_back(consume);
	std::this_thread::sleep_for(std::chrono::seconds(argc > 1 ? atoi(argv[1]) : 1));
	done = true;
	for (auto &t : threads)
		t.join();
	return sum == 0;
}

#include "base/thread_pool.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace quarry {
namespace {

TEST(ThreadPool, RunsEveryPieceOnce) {
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (int64_t count : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> hits(static_cast<size_t>(count));
      pool.Run(count, [&](int64_t i, int worker) {
        ASSERT_GE(worker, 0);
        ASSERT_LT(worker, threads);
        hits[static_cast<size_t>(i)].fetch_add(1);
      });
      for (auto& h : hits) EXPECT_EQ(h.load(), 1);
    }
  }
}

// The threads that were started are joined again.
TEST(ThreadPoolDeathTest, ThrowsIfAThreadCannotBeStarted) {
#ifdef QUARRY_SANITIZED
  GTEST_SKIP() << "a sanitizer needs the address space that is taken away here";
#endif
  const auto start = [] {
    const rlimit limit = {512 << 20, 512 << 20};  // room for the stacks of some dozen threads
    if (::setrlimit(RLIMIT_AS, &limit) != 0) std::exit(2);
    try {
      ThreadPool pool(1000);
    } catch (const std::system_error&) {
      std::exit(7);
    }
    std::exit(0);
  };
  EXPECT_EXIT(start(), testing::ExitedWithCode(7), "");
}

// Thousands of short loops in a row, with pauses that let workers fall asleep in between.
TEST(ThreadPool, LoopsBackToBack) {
  ThreadPool pool(3);
  std::atomic<int64_t> sum{0};
  int64_t expected = 0;
  for (int loop = 0; loop < 5000; ++loop) {
    const int64_t count = loop % 5;
    pool.Run(count, [&](int64_t i, int) { sum.fetch_add(i + loop); });
    for (int64_t i = 0; i < count; ++i) expected += i + loop;
    if (loop % 1000 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(sum.load(), expected);
}

// A worker whose view was one loop old once claimed a piece beyond its loop's end: when the next
// loop had more pieces, it read that loop's count with the old ticket. Loops of growing size, more
// threads than cores and bodies that yield make the window wide; an extra piece would be counted.
TEST(ThreadPool, AStaleWorkerClaimsNothing) {
  ThreadPool pool(8);
  for (int loop = 0; loop < 20000; ++loop) {
    const int64_t count = 2 + loop % 7;
    std::atomic<int64_t> pieces{0};
    pool.Run(count, [&](int64_t i, int) {
      ASSERT_LT(i, count);
      pieces.fetch_add(1);
      if (loop % 3 == 0) std::this_thread::yield();
    });
    ASSERT_EQ(pieces.load(), count);
  }
}

TEST(ThreadPool, CarriesTheFirstExceptionToTheCallerAfterAllPiecesRan) {
  ThreadPool pool(2);
  std::atomic<int> ran{0};
  EXPECT_THROW(pool.Run(100,
                        [&](int64_t i, int) {
                          ran.fetch_add(1);
                          if (i == 3) throw std::runtime_error("piece 3");
                        }),
               std::runtime_error);
  EXPECT_EQ(ran.load(), 100);
  pool.Run(10, [&](int64_t, int) { ran.fetch_add(1); });  // and it still works
  EXPECT_EQ(ran.load(), 110);
}

TEST(ThreadPool, SlicesCoverTheRangeEvenly) {
  int64_t next = 0;
  for (int64_t i = 0; i < 7; ++i) {
    const Slice s = SliceOf(23, 7, i);
    EXPECT_EQ(s.begin, next);
    EXPECT_GE(s.end - s.begin, 3);
    EXPECT_LE(s.end - s.begin, 4);
    next = s.end;
  }
  EXPECT_EQ(next, 23);
}

}  // namespace
}  // namespace quarry

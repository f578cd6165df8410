#include "base/thread_pool.h"

#include <chrono>
#include <utility>

#include "base/check.h"

namespace quarry {
namespace {

// Long enough to bridge the serial parts of a forward pass, short enough not to burn a core that
// another process wants.
constexpr auto kSpinTime = std::chrono::microseconds(60);
constexpr int kSpinsPerClockRead = 64;

inline void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins until `ready()` or for kSpinTime; returns whether it became ready.
template <typename Ready>
bool SpinUntil(Ready ready) {
  const auto deadline = std::chrono::steady_clock::now() + kSpinTime;
  do {
    for (int i = 0; i < kSpinsPerClockRead; ++i) {
      if (ready()) return true;
      Pause();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return ready();
}

constexpr uint64_t EpochOf(uint64_t ticket) { return ticket >> 32; }
constexpr uint64_t PieceOf(uint64_t ticket) { return ticket & 0xffffffffu; }

}  // namespace

ThreadPool::ThreadPool(int n_threads) {
  QUARRY_CHECK(n_threads >= 1, "a pool has at least the calling thread");
  threads_.reserve(static_cast<size_t>(n_threads) - 1);
  for (int i = 1; i < n_threads; ++i) threads_.emplace_back([this, i] { WorkerLoop(i); });
}

ThreadPool::~ThreadPool() {
  stop_.store(true);
  ticket_.fetch_add(uint64_t{1} << 32);
  ticket_.notify_all();
  for (std::thread& t : threads_) t.join();
}

void ThreadPool::Run(int64_t count, Body body) {
  if (count <= 0) return;
  if (threads_.empty() || count == 1) {
    for (int64_t i = 0; i < count; ++i) body(i, 0);
    return;
  }
  body_.store(&body, std::memory_order_relaxed);
  count_.store(static_cast<uint64_t>(count), std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  const uint64_t epoch = EpochOf(ticket_.load(std::memory_order_relaxed)) + 1;
  ticket_.store(epoch << 32, std::memory_order_release);
  ticket_.notify_all();

  RunPieces(epoch, 0);
  const auto finished = [&] {
    return done_.load(std::memory_order_acquire) == static_cast<uint64_t>(count);
  };
  while (!SpinUntil(finished)) {
    const uint64_t seen = done_.load(std::memory_order_acquire);
    if (seen != static_cast<uint64_t>(count)) done_.wait(seen, std::memory_order_acquire);
  }
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void ThreadPool::RunPieces(uint64_t epoch, int worker) {
  uint64_t ticket = ticket_.load(std::memory_order_acquire);
  for (;;) {
    if (EpochOf(ticket) != epoch) return;
    // These belong to `epoch` if the claim below succeeds: the loop cannot end, and so not be
    // replaced, while a piece of it is unclaimed.
    const uint64_t count = count_.load(std::memory_order_relaxed);
    const Body* body = body_.load(std::memory_order_relaxed);
    if (PieceOf(ticket) >= count) return;
    if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel)) continue;
    try {
      (*body)(static_cast<int64_t>(PieceOf(ticket)), worker);
    } catch (...) {
      std::lock_guard lock(error_mutex_);
      if (!error_) error_ = std::current_exception();
    }
    if (done_.fetch_add(1, std::memory_order_acq_rel) + 1 == count) done_.notify_one();
    ticket = ticket_.load(std::memory_order_acquire);
  }
}

void ThreadPool::WorkerLoop(int worker) {
  uint64_t epoch = 0;
  for (;;) {
    const auto changed = [&] { return EpochOf(ticket_.load(std::memory_order_acquire)) != epoch; };
    while (!SpinUntil(changed)) {
      const uint64_t seen = ticket_.load(std::memory_order_acquire);
      if (EpochOf(seen) == epoch) ticket_.wait(seen, std::memory_order_acquire);
    }
    epoch = EpochOf(ticket_.load(std::memory_order_acquire));
    if (stop_.load()) return;
    RunPieces(epoch, worker);
  }
}

}  // namespace quarry

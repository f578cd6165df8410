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

// Ticket: loop number (24 bits), pieces (20 bits), next piece (20 bits).
constexpr int kPieceBits = 20;
constexpr uint64_t kPieceMask = (uint64_t{1} << kPieceBits) - 1;
constexpr uint64_t EpochOf(uint64_t ticket) { return ticket >> (2 * kPieceBits); }
constexpr uint64_t CountOf(uint64_t ticket) { return ticket >> kPieceBits & kPieceMask; }
constexpr uint64_t NextOf(uint64_t ticket) { return ticket & kPieceMask; }
constexpr uint64_t NewLoop(uint64_t ticket, uint64_t count) {
  return (EpochOf(ticket) + 1) << (2 * kPieceBits) | count << kPieceBits;
}

}  // namespace

ThreadPool::ThreadPool(int n_threads) {
  QUARRY_CHECK(n_threads >= 1, "a pool has at least the calling thread");
  threads_.reserve(static_cast<size_t>(n_threads) - 1);
  try {
    for (int i = 1; i < n_threads; ++i) threads_.emplace_back([this, i] { WorkerLoop(i); });
  } catch (...) {
    Stop();
    throw;
  }
}

ThreadPool::~ThreadPool() { Stop(); }

void ThreadPool::Stop() {
  stop_.store(true);
  ticket_.store(NewLoop(ticket_.load(), 0));
  ticket_.notify_all();
  for (std::thread& t : threads_) t.join();
}

void ThreadPool::Run(int64_t count, Body body) {
  QUARRY_CHECK(count <= kMaxPieces, "a loop of too many pieces");
  if (count <= 0) return;
  if (threads_.empty() || count == 1) {
    for (int64_t i = 0; i < count; ++i) body(i, 0);
    return;
  }
  body_.store(&body, std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  ticket_.store(NewLoop(ticket_.load(std::memory_order_relaxed), static_cast<uint64_t>(count)),
                std::memory_order_release);
  ticket_.notify_all();

  RunPieces(0);
  const auto finished = [&] {
    return done_.load(std::memory_order_acquire) == static_cast<uint64_t>(count);
  };
  while (!SpinUntil(finished)) {
    const uint64_t seen = done_.load(std::memory_order_acquire);
    if (seen != static_cast<uint64_t>(count)) done_.wait(seen, std::memory_order_acquire);
  }
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void ThreadPool::RunPieces(int worker) {
  uint64_t ticket = ticket_.load(std::memory_order_acquire);
  while (NextOf(ticket) < CountOf(ticket)) {
    if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel)) continue;
    const Body* body = body_.load(std::memory_order_relaxed);
    try {
      (*body)(static_cast<int64_t>(NextOf(ticket)), worker);
    } catch (...) {
      std::lock_guard lock(error_mutex_);
      if (!error_) error_ = std::current_exception();
    }
    if (done_.fetch_add(1, std::memory_order_acq_rel) + 1 == CountOf(ticket)) done_.notify_one();
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
    RunPieces(worker);
  }
}

}  // namespace quarry

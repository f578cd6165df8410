// One pool of threads, owned by an engine. Work is a counted loop: pieces are claimed from an
// atomic counter, by the caller too, so a sleeping worker delays nobody.
//
// Workers stay hot for some tens of microseconds after the last loop, because a forward pass runs
// hundreds of short loops in a row, and sleep otherwise.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/function_ref.h"

namespace quarry {

class ThreadPool {
 public:
  static constexpr int64_t kMaxPieces = (int64_t{1} << 20) - 1;

  // `piece` in [0, count), `worker` in [0, size()): the caller is worker 0.
  using Body = FunctionRef<void(int64_t piece, int worker)>;

  // REQUIRES: n_threads >= 1. n_threads - 1 threads are started; throws std::system_error if one
  // cannot be.
  explicit ThreadPool(int n_threads);
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool();

  int size() const { return static_cast<int>(threads_.size()) + 1; }

  // Calls body(piece, worker) once for every piece and returns when all have returned. Pieces start
  // in order and finish in any. The first exception that a body throws is rethrown here, after all
  // pieces have run.
  // REQUIRES: count <= kMaxPieces; called by one thread at a time, and not from inside a body.
  void Run(int64_t count, Body body);

 private:
  void Stop();
  void WorkerLoop(int worker);
  // Runs pieces until none is left to claim.
  void RunPieces(int worker);

  // Everything a claim depends on, in one word: loop number, pieces of the loop, next piece. A
  // claim that succeeds is therefore one for a piece of the loop that runs now, however old the
  // worker's view was; and that loop cannot end before the piece has run, so that body_ is read
  // after it.
  std::atomic<uint64_t> ticket_{0};
  std::atomic<const Body*> body_{nullptr};
  std::atomic<uint64_t> done_{0};
  std::atomic<bool> stop_{false};

  std::mutex error_mutex_;
  std::exception_ptr error_;
  std::vector<std::thread> threads_;
};

// Splits [0, n) into `parts` runs that differ by at most one; run `i` as [begin, end).
struct Slice {
  int64_t begin;
  int64_t end;
};
constexpr Slice SliceOf(int64_t n, int64_t parts, int64_t i) {
  return {n * i / parts, n * (i + 1) / parts};
}

}  // namespace quarry

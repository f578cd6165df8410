// Ctrl-C and friends, delivered to an ordinary function in an ordinary thread.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

namespace quarry::cli {

// Construct before any other thread starts: the signals are then blocked everywhere and waited for
// by one thread here. SIGINT, SIGTERM and SIGHUP (unless nohup has it ignored) are one and the
// same:
//   - before there is a handler, the first ends the process with status 130;
//   - then the first calls the handler;
//   - a second ends the process with status 130, after half a second in which what was told to stop
//     may do so and remove its temporary files.
// SIGPIPE is ignored.
class SignalWatcher {
 public:
  SignalWatcher();
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

  // What to do. Empty: nothing, the work is done and its results are on their way.
  void OnSignal(std::function<void()> handler);

 private:
  void Wait();

  std::atomic<bool> done_{false};
  std::mutex mutex_;
  std::function<void()> handler_;
  bool handled_ = false;  // there is a handler, or was
  std::thread thread_;
};

}  // namespace quarry::cli

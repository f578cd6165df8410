// Ctrl-C and friends, delivered to an ordinary function in an ordinary thread.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

namespace quarry::cli {

// Construct before any other thread starts: the signals are then blocked everywhere and waited for
// by one thread here. The first SIGINT or SIGTERM calls the handler; a second one ends the process
// at once, with status 130. SIGPIPE is ignored.
class SignalWatcher {
 public:
  SignalWatcher();
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

  // What to do; if a signal came before, it is called now. Empty: nothing.
  void OnSignal(std::function<void()> handler);
  bool received() const { return received_.load(); }

 private:
  void Wait();

  std::atomic<bool> received_{false};
  std::atomic<bool> done_{false};
  std::mutex mutex_;
  std::function<void()> handler_;
  std::thread thread_;
};

}  // namespace quarry::cli

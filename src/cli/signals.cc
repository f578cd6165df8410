#include "cli/signals.h"

#include <csignal>
#include <utility>

#include <pthread.h>
#include <unistd.h>

#include "cli/exit_code.h"

namespace quarry::cli {
namespace {

sigset_t WatchedSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGUSR1);  // wakes the watcher up to end it
  return set;
}

}  // namespace

SignalWatcher::SignalWatcher() {
  std::signal(SIGPIPE, SIG_IGN);
  const sigset_t set = WatchedSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  thread_ = std::thread([this] { Wait(); });
}

SignalWatcher::~SignalWatcher() {
  done_.store(true);
  pthread_kill(thread_.native_handle(), SIGUSR1);
  thread_.join();
}

void SignalWatcher::OnSignal(std::function<void()> handler) {
  std::lock_guard lock(mutex_);
  handler_ = std::move(handler);
  if (received_.load() && handler_) handler_();
}

void SignalWatcher::Wait() {
  const sigset_t set = WatchedSignals();
  for (;;) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0) continue;
    if (done_.load()) return;
    if (signal == SIGUSR1) continue;
    std::lock_guard lock(mutex_);
    if (received_.exchange(true)) _exit(kExitCancelled);
    if (handler_) handler_();
  }
}

}  // namespace quarry::cli

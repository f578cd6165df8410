#include "cli/signals.h"

#include <csignal>
#include <ctime>
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
  struct sigaction hangup = {};
  if (sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN) {
    sigaddset(&set, SIGHUP);
  }
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
  handled_ = true;
}

void SignalWatcher::Wait() {
  const sigset_t set = WatchedSignals();
  for (int received = 0; received < 2;) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0) continue;
    if (done_.load()) return;
    if (signal == SIGUSR1) continue;
    ++received;
    std::lock_guard lock(mutex_);
    if (!handled_) _exit(kExitCancelled);
    if (received == 1 && handler_) handler_();
  }
  const timespec grace = {.tv_sec = 0, .tv_nsec = 500'000'000};
  const int signal = sigtimedwait(&set, nullptr, &grace);
  if (signal != SIGUSR1 || !done_.load()) _exit(kExitCancelled);
}

}  // namespace quarry::cli

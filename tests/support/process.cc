#include "tests/support/process.h"

#include <chrono>
#include <csignal>
#include <stdexcept>

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace quarry {
namespace {

struct Pipe {
  int read_end = -1;
  int write_end = -1;
};

Pipe MakePipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  return {fds[0], fds[1]};
}

}  // namespace

ProcessResult RunProcess(const std::vector<std::string>& command, const ProcessOptions& options) {
  std::signal(SIGPIPE, SIG_IGN);
  Pipe in = MakePipe(), out = MakePipe(), err = MakePipe();
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGPIPE, SIG_DFL);
    ::dup2(in.read_end, STDIN_FILENO);
    ::dup2(out.write_end, STDOUT_FILENO);
    ::dup2(err.write_end, STDERR_FILENO);
    if (options.address_space_bytes != 0) {
      const rlimit limit = {options.address_space_bytes, options.address_space_bytes};
      ::setrlimit(RLIMIT_AS, &limit);
    }
    std::vector<char*> argv;
    for (const std::string& a : command) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    _exit(127);
  }
  ::close(in.read_end);
  ::close(out.write_end);
  ::close(err.write_end);
  if (options.close_output) ::close(out.read_end);

  ProcessResult result;
  size_t written = 0;
  ::fcntl(in.write_end, F_SETFL, O_NONBLOCK);
  if (options.input.empty()) {
    ::close(in.write_end);
    in.write_end = -1;
  }
  bool interrupted = options.interrupt_after_s == 0;
  const auto begin = std::chrono::steady_clock::now();
  bool out_open = !options.close_output, err_open = true;
  while (out_open || err_open) {
    pollfd fds[3] = {{out_open ? out.read_end : -1, POLLIN, 0},
                     {err_open ? err.read_end : -1, POLLIN, 0},
                     {in.write_end, POLLOUT, 0}};
    ::poll(fds, 3, 20);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
    if (!interrupted && elapsed.count() > options.interrupt_after_s) {
      ::kill(child, SIGINT);
      interrupted = true;
    }
    const auto drain = [](int fd, std::string& to) {
      char buffer[65536];
      const ssize_t n = ::read(fd, buffer, sizeof buffer);
      if (n > 0) to.append(buffer, static_cast<size_t>(n));
      return n > 0;
    };
    if (out_open && fds[0].revents != 0) out_open = drain(out.read_end, result.out);
    if (err_open && fds[1].revents != 0) err_open = drain(err.read_end, result.err);
    if (in.write_end >= 0 && fds[2].revents != 0) {
      const ssize_t n =
          ::write(in.write_end, options.input.data() + written, options.input.size() - written);
      if (n > 0) written += static_cast<size_t>(n);
      if (n < 0 || written == options.input.size()) {
        ::close(in.write_end);
        in.write_end = -1;
      }
    }
  }
  if (in.write_end >= 0) ::close(in.write_end);
  if (!options.close_output) ::close(out.read_end);
  ::close(err.read_end);
  int status = 0;
  ::waitpid(child, &status, 0);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

ProcessResult Quarry(std::vector<std::string> args, const ProcessOptions& options) {
  args.insert(args.begin(), QUARRY_BINARY);
  return RunProcess(args, options);
}

}  // namespace quarry

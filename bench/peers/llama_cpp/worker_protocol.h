// What both workers of the comparison do: read commands from standard input, run them, answer with
// one JSON line each. compare.mjs writes the commands, to one worker at a time.
//
//   read N   N more tokens, in batches, as a prompt      {"seconds": of all, "density": until now}
//   pp N     one batch of N tokens, forgotten again      {"seconds": of it}
//   tg N     N tokens one by one, forgotten again        {"seconds": median of one}
//   mem      {"rss": resident bytes}
//   quit
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace peer {

// Token i of the text that both engines read: pseudo-random ids in [3, vocab).
inline std::vector<int32_t> Text(size_t n, int32_t vocab) {
  std::vector<int32_t> ids(n);
  uint32_t x = 12345;
  for (int32_t& id : ids) {
    x = x * 1103515245u + 12345u;
    id = 3 + static_cast<int32_t>((x >> 8) % static_cast<uint32_t>(vocab - 3));
  }
  return ids;
}

inline uint64_t ResidentBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmRSS:", 0) == 0) return std::stoull(line.substr(6)) << 10;
  }
  return 0;
}

template <typename F>
double Seconds(F run) {
  const auto begin = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// E has Read(n), which keeps n tokens; Mark() and Rewind() around tokens that are forgotten; and
// Batch(n), one forward pass of the next n tokens with logits of the last.
template <typename E>
int Serve(E& engine) {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command;
    int n = 0;
    words >> command >> n;
    if (command == "quit") return 0;
    if (command == "mem") {
      std::printf("{\"rss\": %llu}\n", static_cast<unsigned long long>(ResidentBytes()));
    } else if (command == "read") {
      const double seconds = Seconds([&] { engine.Read(n); });
      std::printf("{\"seconds\": %.6f, \"density\": %.6f}\n", seconds, engine.Density());
    } else if (command == "pp" || command == "tg") {
      engine.Mark();
      std::vector<double> s;
      if (command == "pp") {
        s.push_back(Seconds([&] { engine.Batch(n); }));
      } else {
        for (int i = 0; i < n; ++i) s.push_back(Seconds([&] { engine.Batch(1); }));
      }
      std::sort(s.begin(), s.end());
      engine.Rewind();
      std::printf("{\"seconds\": %.6f}\n", s[s.size() / 2]);
    } else {
      std::fprintf(stderr, "unknown command: %s\n", line.c_str());
      return 2;
    }
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace peer

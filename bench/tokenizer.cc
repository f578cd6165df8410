// bench_tokenizer TOKENIZER TEXT [REPEATS]: speed of loading, encoding and decoding.
//
// TOKENIZER is a model folder or a tokenizer file, TEXT a UTF-8 file. Prints a Markdown table, a
// row a workload:
//   load            the tokenizer from its file
//   encode          the whole text at once; warm: what the tokenizer learns from a text is learnt
//   encode, cold    the same by a tokenizer that was just loaded
//   encode, safe    without parse_special, as text from users is encoded
//   encode, lines   line by line
//   decode          all ids at once
//   stream          id by id through a Detokenizer
//   a x 1 MB        one letter a million times, and the same with blanks: the worst case of merging
// MB are 10^6 bytes of text. Times are processor time, medians over REPEATS runs (default 5), with
// the least and the greatest.

#include "quarry/tokenizer.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace {

using quarry::Detokenizer;
using quarry::Result;
using quarry::TokenId;
using quarry::Tokenizer;

[[noreturn]] void Die(const std::string& message) {
  std::fprintf(stderr, "bench_tokenizer: %s\n", message.c_str());
  std::exit(1);
}

template <typename T>
T Need(Result<T> result) {
  if (!result.ok()) Die(result.status().message());
  return std::move(*result);
}

// Processor time: everything here runs on one thread, and other work on the machine must not count.
double SecondsOf(const std::function<void()>& work) {
  const std::clock_t start = std::clock();
  work();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

// Runs `prepare` and then, timed, `work`.
void Row(const char* name, size_t bytes, int repeats, const std::function<void()>& prepare,
         const std::function<void()>& work) {
  std::vector<double> seconds;
  for (int i = 0; i < repeats; ++i) {
    prepare();
    seconds.push_back(SecondsOf(work));
  }
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];
  const double mb = static_cast<double>(bytes) * 1e-6;
  fmt::print("| {} | {:.2f} | {:.1f} | {:.1f} | {:.1f} - {:.1f} |\n", name, mb, median * 1e3,
             mb / median, mb / seconds.back(), mb / seconds.front());
}

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
    lines.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return lines;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) Die("usage: bench_tokenizer TOKENIZER TEXT [REPEATS]");
  const int repeats = argc > 3 ? std::max(1, std::atoi(argv[3])) : 5;
  std::ifstream file(argv[2], std::ios::binary);
  if (!file) Die(fmt::format("{}: cannot be read", argv[2]));
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const auto load = [&] { return Need(Tokenizer::Load(argv[1])); };
  const auto nothing = [] {};

  Tokenizer tokenizer = load();
  const std::vector<TokenId> ids = Need(tokenizer.Encode(text));
  fmt::print("{}: {} ids; {}: {} bytes, {} tokens\n\n", argv[1], tokenizer.vocab_size(), argv[2],
             text.size(), ids.size());
  fmt::print("| workload | MB | ms | MB/s | MB/s, range |\n|---|---|---|---|---|\n");

  std::ifstream json(std::string(argv[1]), std::ios::binary | std::ios::ate);
  const auto json_bytes = json ? static_cast<size_t>(std::max<std::streamoff>(0, json.tellg())) : 0;
  Row("load", json_bytes, repeats, nothing, [&] { tokenizer = load(); });
  const auto encode = [&] { Need(tokenizer.Encode(text)); };
  Row(
      "encode, cold", text.size(), repeats, [&] { tokenizer = load(); }, encode);
  Row("encode", text.size(), repeats, nothing, encode);
  Row("encode, safe", text.size(), repeats, nothing,
      [&] { Need(tokenizer.Encode(text, {.parse_special = false})); });
  Row("encode, lines", text.size(), repeats, nothing, [&] {
    for (const std::string_view line : Lines(text)) Need(tokenizer.Encode(line));
  });
  Row("decode", text.size(), repeats, nothing, [&] { Need(tokenizer.Decode(ids)); });
  Row("stream", text.size(), repeats, nothing, [&] {
    Detokenizer stream(tokenizer);
    for (const TokenId id : ids) Need(stream.Add(id));
    Need(stream.Flush());
  });
  for (const char* c : {"a", " "}) {
    const std::string run(1'000'000, c[0]);
    Row(c[0] == 'a' ? "a x 1 MB" : "blank x 1 MB", run.size(), repeats, nothing,
        [&] { Need(tokenizer.Encode(run)); });
  }
  return 0;
}

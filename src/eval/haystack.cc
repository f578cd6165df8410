#include "eval/haystack.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/utf8.h"
#include "eval/json.h"
#include "eval/metrics.h"
#include "eval/python_random.h"
#include "eval/sha256.h"
#include "eval/word_lists.h"

namespace quarry::eval {
namespace {

constexpr uint64_t kMaxBytes = uint64_t{1} << 30;
constexpr std::string_view kNovel = "pride_and_prejudice.txt";

Result<std::string> TextField(std::string_view json, const std::string& where) {
  const Result<nlohmann::json> object = ParseJsonObject(json);
  if (!object.ok()) return object.status().WithPrefix(where);
  const auto text = object->find("text");
  if (text == object->end() || !text->is_string()) {
    return CorruptData(where + ": has no string \"text\"");
  }
  return text->get<std::string>();
}

}  // namespace

Result<std::vector<std::string>> LoadTexts(const std::filesystem::path& path, size_t limit) {
  Result<std::string> bytes = ReadFile(path, kMaxBytes);
  if (!bytes.ok()) return bytes.status();
  std::vector<std::string> texts;
  const std::string extension = path.extension().string();
  if (extension == ".jsonl") {
    size_t line = 1;
    for (size_t begin = 0; begin < bytes->size() && texts.size() < limit; ++line) {
      const size_t end = std::min(bytes->find('\n', begin), bytes->size());
      const std::string_view json = std::string_view(*bytes).substr(begin, end - begin);
      begin = end + 1;
      if (Strip(json).empty()) continue;
      Result<std::string> text = TextField(json, fmt::format("{}:{}", path.string(), line));
      if (!text.ok()) return text.status();
      texts.push_back(std::move(*text));
    }
  } else if (extension == ".json") {
    Result<std::string> text = TextField(*bytes, path.string());
    if (!text.ok()) return text.status();
    texts.push_back(std::move(*text));
  } else {
    texts.push_back(std::move(*bytes));
  }
  for (std::string& text : texts) {
    if (!IsValidUtf8(text)) text = ReplaceInvalidUtf8(text);
  }
  std::erase_if(texts, [](const std::string& text) { return Strip(text).empty(); });
  if (texts.empty()) return InvalidArgument(path.string() + ": holds no text");
  return texts;
}

Haystack::Haystack(std::string text, std::string name)
    : text_(std::move(text)), name_(std::move(name)), fingerprint_(Sha256Hex(text_)) {}

Result<Haystack> Haystack::Load(const std::filesystem::path& path) {
  const Result<std::vector<std::string>> texts = LoadTexts(path, SIZE_MAX);
  if (!texts.ok()) return texts.status();
  std::string all;
  for (const std::string& text : *texts) all += (all.empty() ? "" : "\n") + text;
  return Haystack(std::move(all), path.filename().string());
}

Haystack Haystack::Generated(uint64_t seed, size_t min_bytes) {
  const WordLists words = BuiltInWords();
  PythonRandom random(seed);
  const auto noun = [&] { return random.Choice(words.nouns); };
  const auto adjective = [&] { return random.Choice(words.adjectives); };
  const auto verb = [&] { return random.Choice(words.verbs); };
  const auto name = [&] { return Names()[random.Below(Names().size())]; };
  const auto city = [&] { return Cities()[random.Below(Cities().size())]; };
  std::string text;
  for (int sentence = 1; text.size() < min_bytes; ++sentence) {
    // Drawn one after another: the order of a call's arguments is not fixed.
    const std::string a = adjective(), b = noun(), c = adjective(), d = noun(), e = verb();
    const std::string who(name()), where(city());
    switch (random.Below(5)) {
      case 0:
        text +=
            fmt::format("The {} {} near the {} {} made {} think of {}.", a, b, c, d, who, where);
        break;
      case 1:
        text +=
            fmt::format("In {}, {} wanted to {} before the {} {} was gone.", where, who, e, a, b);
        break;
      case 2:
        text += fmt::format("Nobody in {} could {} like {} with a {} {}.", where, e, who, a, d);
        break;
      case 3:
        text +=
            fmt::format("{} kept a {} {} and a {} {} on the way to {}.", who, a, b, c, d, where);
        break;
      default:
        text += fmt::format("When the {} was {}, {} went to {} to {}.", b, a, who, where, e);
    }
    text += sentence % 6 == 0 ? "\n" : " ";
  }
  return Haystack(std::move(text), "generated");
}

std::vector<std::string> Haystack::Words(size_t n) const {
  std::vector<std::string> words = eval::Words(text_);
  if (words.size() > n) words.resize(n);
  const size_t once = words.size();
  words.reserve(n);
  while (words.size() < n) words.push_back(words[words.size() - once]);
  return words;
}

Result<Haystack> FindHaystack(const std::filesystem::path& path,
                              std::span<const std::filesystem::path> roots) {
  if (!path.empty()) return Haystack::Load(path);
  for (const auto& root : roots) {
    for (const char* folder : {"data", "share/quarry"}) {
      const auto candidate = root / folder / kNovel;
      std::error_code error;
      if (std::filesystem::is_regular_file(candidate, error)) return Haystack::Load(candidate);
    }
  }
  return Haystack::Generated(42, 700'000);
}

}  // namespace quarry::eval

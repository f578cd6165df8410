#include "eval/planted.h"

#include <algorithm>

#include <fmt/format.h>

namespace quarry::eval {
namespace {

bool EndsSentence(const Tokenizer& tokenizer, TokenId id) {
  const std::optional<std::string> token = tokenizer.IdToToken(id);
  return token && token->ends_with('.');
}

// Half characters where tokens were cut.
void TrimReplacement(std::string& text) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  while (text.ends_with(kReplacement)) text.resize(text.size() - kReplacement.size());
  while (text.starts_with(kReplacement)) text.erase(0, kReplacement.size());
}

}  // namespace

Result<std::string> PlantDocument(const TaskContext& context, int64_t n_tokens, int64_t start,
                                  std::span<const Plant> plants) {
  const Tokenizer& tokenizer = *context.tokenizer;
  struct Placed {
    size_t at;
    std::vector<TokenId> ids;
  };
  std::vector<Placed> placed;
  int64_t planted = 0;
  for (const Plant& plant : plants) {
    Result<std::vector<TokenId>> ids =
        tokenizer.Encode(plant.text, {.add_special_tokens = false, .parse_special = false});
    if (!ids.ok()) return ids.status();
    planted += static_cast<int64_t>(ids->size());
    placed.push_back({0, std::move(*ids)});
  }
  if (planted > n_tokens) {
    return InvalidArgument(
        fmt::format("what is to be hidden takes {} tokens, {} are left for it", planted, n_tokens));
  }

  const auto n = static_cast<size_t>(n_tokens - planted);
  const std::span<const TokenId> source = context.haystack_tokens;
  std::vector<TokenId> hay(n);
  for (size_t i = 0; i < n; ++i) hay[i] = source[(static_cast<size_t>(start) + i) % source.size()];
  for (size_t p = 0; p < placed.size(); ++p) {
    size_t at = n;
    if (plants[p].depth < 100) {
      at = static_cast<size_t>(static_cast<double>(n) * plants[p].depth / 100);
      while (at > 0 && !EndsSentence(tokenizer, hay[at - 1])) --at;
    }
    placed[p].at = at;
  }
  std::stable_sort(placed.begin(), placed.end(),
                   [](const Placed& a, const Placed& b) { return a.at < b.at; });

  std::vector<TokenId> all;
  all.reserve(static_cast<size_t>(n_tokens));
  size_t done = 0;
  for (const Placed& p : placed) {
    all.insert(all.end(), hay.begin() + static_cast<std::ptrdiff_t>(done),
               hay.begin() + static_cast<std::ptrdiff_t>(p.at));
    all.insert(all.end(), p.ids.begin(), p.ids.end());
    done = p.at;
  }
  all.insert(all.end(), hay.begin() + static_cast<std::ptrdiff_t>(done), hay.end());
  Result<std::string> text = tokenizer.Decode(all);
  if (text.ok()) TrimReplacement(*text);
  return text;
}

Status FitDocument(const TaskContext& context, int64_t length, int64_t start,
                   std::span<const Plant> plants, Sample& sample) {
  const auto prompt_tokens = [&]() -> Result<int64_t> {
    const Result<Prompt> prompt = BuildPrompt(*context.tokenizer, context.chat, sample, true);
    if (!prompt.ok()) return prompt.status();
    return static_cast<int64_t>(prompt->tokens.size());
  };
  sample.document.clear();
  const Result<int64_t> around = prompt_tokens();
  if (!around.ok()) return around.status();
  const int64_t room = length - sample.max_new_tokens;
  // Text made of tokens can be cut into more tokens again where parts meet.
  int64_t budget = room - *around;
  for (int attempt = 0; attempt < 16 && budget > 0; ++attempt) {
    Result<std::string> document = PlantDocument(context, budget, start, plants);
    if (!document.ok()) return document.status().WithPrefix(fmt::format("length {}", length));
    sample.document = std::move(*document);
    const Result<int64_t> total = prompt_tokens();
    if (!total.ok()) return total.status();
    if (*total <= room) return OkStatus();
    budget -= std::max<int64_t>(*total - room, 1);
  }
  return InvalidArgument(
      fmt::format("length {} is too short: question and answer alone take {} tokens", length,
                  *around + sample.max_new_tokens));
}

}  // namespace quarry::eval

#include "attention/methods/kept_tokens.h"

#include <algorithm>

#include "base/check.h"

namespace quarry {
namespace {

// Runs of fewer tokens are gathered: a span costs as much as the whole panel it lies in.
constexpr int64_t kShortRun = 4;

}  // namespace

bool KeptTokens::IsSpan(size_t run) const {
  return !gather_ || run + 1 == runs_.size() || runs_[run].size() >= kShortRun;
}

std::vector<TokenPos> KeptTokens::tokens() const {
  std::vector<TokenPos> tokens;
  for (const TokenRange& run : runs_) {
    for (TokenPos t = run.begin; t < run.end; ++t) tokens.push_back(t);
  }
  return tokens;
}

void KeptTokens::Append(TokenRange tokens) {
  if (tokens.empty()) return;
  QUARRY_DCHECK(runs_.empty() || runs_.back().end <= tokens.begin, "tokens come in order");
  if (!runs_.empty() && runs_.back().end == tokens.begin) {
    runs_.back().end = tokens.end;
  } else {
    runs_.push_back(tokens);
  }
  scores_.resize(scores_.size() + static_cast<size_t>(tokens.size()), 0.0f);
}

void KeptTokens::AddTo(AttentionPlan& plan) const {
  for (size_t i = 0; i < runs_.size(); ++i) {
    if (IsSpan(i)) plan.AddSpan(runs_[i]);
  }
  for (size_t i = 0; i < runs_.size(); ++i) {
    if (IsSpan(i)) continue;
    for (TokenPos t = runs_[i].begin; t < runs_[i].end; ++t) plan.AddColumn(t);
  }
}

void KeptTokens::AddScores(std::span<const float> of_keys) {
  QUARRY_DCHECK(of_keys.size() == scores_.size(), "a score for every kept token");
  size_t column = 0;  // index of the first column: behind the tokens of all spans
  for (size_t i = 0; i < runs_.size(); ++i) {
    if (IsSpan(i)) column += static_cast<size_t>(runs_[i].size());
  }
  size_t span = 0;
  size_t token = 0;
  for (size_t i = 0; i < runs_.size(); ++i) {
    size_t& from = IsSpan(i) ? span : column;
    for (int64_t n = runs_[i].size(); n > 0; --n) scores_[token++] += of_keys[from++];
  }
}

void KeptTokens::ClearScores() { std::fill(scores_.begin(), scores_.end(), 0.0f); }

void KeptTokens::DropBefore(TokenPos t) {
  size_t run = 0;
  int64_t dropped = 0;
  while (run < runs_.size() && runs_[run].end <= t) dropped += runs_[run++].size();
  runs_.erase(runs_.begin(), runs_.begin() + static_cast<int64_t>(run));
  if (!runs_.empty() && runs_[0].begin < t) {
    dropped += t - runs_[0].begin;
    runs_[0].begin = t;
  }
  scores_.erase(scores_.begin(), scores_.begin() + dropped);
}

void KeptTokens::Keep(std::span<const int32_t> indices) {
  std::vector<TokenRange> runs;
  std::vector<float> scores;
  size_t run = 0;
  int64_t before = 0;  // tokens of runs in front of `run`
  for (int32_t i : indices) {
    while (i >= before + runs_[run].size()) before += runs_[run++].size();
    const TokenPos t = runs_[run].begin + (i - before);
    if (!runs.empty() && runs.back().end == t) {
      ++runs.back().end;
    } else {
      runs.push_back({t, t + 1});
    }
    scores.push_back(scores_[static_cast<size_t>(i)]);
  }
  runs_.swap(runs);
  scores_.swap(scores);
}

}  // namespace quarry

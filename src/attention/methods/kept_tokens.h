// The tokens that a method with an eviction rule (H2O, TOVA) still attends to, with a score each.
// A token that is dropped never comes back.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quarry/types.h"

#include "attention/plan.h"

namespace quarry {

class KeptTokens {
 public:
  // `gather`: isolated tokens are columns of plans; otherwise everything is spans, which a sliding
  // window may limit.
  explicit KeptTokens(bool gather = true) : gather_(gather) {}

  int64_t size() const { return static_cast<int64_t>(scores_.size()); }
  // Ascending.
  std::vector<TokenPos> tokens() const;
  std::span<const float> scores() const { return scores_; }

  // New tokens, with score 0. REQUIRES: behind all others.
  void Append(TokenRange tokens);
  // Adds the tokens to the segment that `plan` began last. The last run becomes a span, so that
  // the segment's mask applies to tokens of the current call.
  void AddTo(AttentionPlan& plan) const;
  // Adds to every token what the segment's key order (KeyScores) says of it.
  void AddScores(std::span<const float> of_keys);
  void ClearScores();
  // Drops the tokens before `t`.
  void DropBefore(TokenPos t);
  // Drops all but the tokens of these indices, ascending.
  void Keep(std::span<const int32_t> indices);

  size_t size_bytes() const {
    return runs_.capacity() * sizeof(TokenRange) + scores_.capacity() * sizeof(float);
  }

 private:
  bool IsSpan(size_t run) const;

  bool gather_;
  std::vector<TokenRange> runs_;  // ascending, never touching
  std::vector<float> scores_;     // per token, in order
};

}  // namespace quarry

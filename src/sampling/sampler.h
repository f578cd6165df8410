// The chain of logit processors that picks a token.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "quarry/sampling.h"
#include "quarry/types.h"

#include "base/rng.h"

namespace quarry {

// What is left of the vocabulary on its way through the chain, in no particular order until a stage
// sorts it.
struct Candidates {
  struct Entry {
    TokenId id;
    float logit;
  };
  std::vector<Entry> entries;
  bool sorted = false;  // by logit, highest first; equal logits by id

  void Sort();
};

class SamplerStage {
 public:
  virtual ~SamplerStage() = default;
  virtual void Apply(Candidates& candidates) = 0;
  // A token joined the text.
  virtual void Accept(TokenId) {}
};

class Sampler {
 public:
  // REQUIRES: options.Validate() is ok.
  explicit Sampler(const SamplingOptions& options);

  // A token of the prompt, or one that was picked.
  void Accept(TokenId token);
  // REQUIRES: logits not empty. NaN counts as impossible; if all are, the lowest id is picked.
  TokenId Pick(std::span<const float> logits);

 private:
  TokenId Draw();

  bool greedy_;
  Rng rng_;
  std::vector<std::unique_ptr<SamplerStage>> stages_;
  Candidates candidates_;
};

}  // namespace quarry

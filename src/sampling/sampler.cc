#include "sampling/sampler.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include <fmt/format.h>

namespace quarry {
namespace {

class RepetitionPenalty final : public SamplerStage {
 public:
  explicit RepetitionPenalty(double penalty) : penalty_(static_cast<float>(penalty)) {}
  void Accept(TokenId token) override { seen_.insert(token); }
  void Apply(Candidates& c) override {
    for (Candidates::Entry& e : c.entries) {
      if (!seen_.contains(e.id)) continue;
      e.logit = e.logit > 0 ? e.logit / penalty_ : e.logit * penalty_;
    }
  }

 private:
  float penalty_;
  std::unordered_set<TokenId> seen_;
};

class Temperature final : public SamplerStage {
 public:
  explicit Temperature(double temperature) : factor_(static_cast<float>(1 / temperature)) {}
  void Apply(Candidates& c) override {
    for (Candidates::Entry& e : c.entries) e.logit *= factor_;
  }

 private:
  float factor_;
};

class TopK final : public SamplerStage {
 public:
  explicit TopK(int64_t k) : k_(static_cast<size_t>(k)) {}
  void Apply(Candidates& c) override {
    c.Sort();
    if (c.entries.size() > k_) c.entries.resize(k_);
  }

 private:
  size_t k_;
};

class TopP final : public SamplerStage {
 public:
  explicit TopP(double p) : p_(p) {}
  void Apply(Candidates& c) override {
    c.Sort();
    double total = 0;
    const double top = c.entries[0].logit;
    for (const auto& e : c.entries) total += std::exp(static_cast<double>(e.logit) - top);
    double sum = 0;
    for (size_t i = 0; i < c.entries.size(); ++i) {
      sum += std::exp(static_cast<double>(c.entries[i].logit) - top);
      if (sum >= p_ * total) {
        c.entries.resize(i + 1);  // the token that reaches p stays
        return;
      }
    }
  }

 private:
  double p_;
};

class MinP final : public SamplerStage {
 public:
  explicit MinP(double p) : offset_(static_cast<float>(std::log(p))) {}
  void Apply(Candidates& c) override {
    float top = -INFINITY;
    for (const auto& e : c.entries) top = std::max(top, e.logit);
    std::erase_if(c.entries, [&](const auto& e) { return e.logit < top + offset_; });
  }

 private:
  float offset_;
};

Status OutOfRange(const char* name, double value, const char* range) {
  return InvalidArgument(fmt::format("sampling: {} is {}, must be in {}", name, value, range));
}

}  // namespace

Status SamplingOptions::Validate() const {
  // Written so that NaN fails.
  if (!(temperature >= 0 && temperature <= 100)) {
    return OutOfRange("temperature", temperature, "[0, 100]");
  }
  if (top_k < 0) {
    return InvalidArgument(
        fmt::format("sampling: top_k is {}, must be 0 (all tokens) or more", top_k));
  }
  if (!(top_p > 0 && top_p <= 1)) return OutOfRange("top_p", top_p, "(0, 1]");
  if (!(min_p >= 0 && min_p <= 1)) return OutOfRange("min_p", min_p, "[0, 1]");
  if (!(repetition_penalty > 0 && repetition_penalty <= 100)) {
    return OutOfRange("repetition_penalty", repetition_penalty, "(0, 100]");
  }
  return OkStatus();
}

void Candidates::Sort() {
  if (sorted) return;
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
  });
  sorted = true;
}

Sampler::Sampler(const SamplingOptions& o) : greedy_(o.temperature == 0), rng_(o.seed) {
  if (o.repetition_penalty != 1) {
    stages_.push_back(std::make_unique<RepetitionPenalty>(o.repetition_penalty));
  }
  if (greedy_) return;  // the other stages never remove the most likely token
  if (o.temperature != 1) stages_.push_back(std::make_unique<Temperature>(o.temperature));
  if (o.top_k > 0) stages_.push_back(std::make_unique<TopK>(o.top_k));
  if (o.top_p < 1) stages_.push_back(std::make_unique<TopP>(o.top_p));
  if (o.min_p > 0) stages_.push_back(std::make_unique<MinP>(o.min_p));
}

void Sampler::Accept(TokenId token) {
  for (const auto& stage : stages_) stage->Accept(token);
}

TokenId Sampler::Pick(std::span<const float> logits) {
  candidates_.entries.clear();
  candidates_.sorted = false;
  for (size_t i = 0; i < logits.size(); ++i) {
    const float x = logits[i];
    candidates_.entries.push_back({static_cast<TokenId>(i), std::isnan(x) ? -INFINITY : x});
  }
  for (const auto& stage : stages_) stage->Apply(candidates_);
  if (!greedy_) return Draw();
  const auto best =
      std::max_element(candidates_.entries.begin(), candidates_.entries.end(),
                       [](const auto& a, const auto& b) { return a.logit < b.logit; });
  return best->id;
}

TokenId Sampler::Draw() {
  const auto& entries = candidates_.entries;
  double top = -INFINITY;
  for (const auto& e : entries) top = std::max(top, static_cast<double>(e.logit));
  if (std::isinf(top)) return entries[0].id;
  double total = 0;
  for (const auto& e : entries) total += std::exp(static_cast<double>(e.logit) - top);
  double left = rng_.Uniform() * total;
  for (const auto& e : entries) {
    left -= std::exp(static_cast<double>(e.logit) - top);
    if (left < 0) return e.id;
  }
  return entries.back().id;  // rounding
}

}  // namespace quarry

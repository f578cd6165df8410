// target_coverage, for every method that has it: what a growing selection holds, on random texts.

#include <algorithm>
#include <functional>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/layer_inputs.h"

namespace quarry {
namespace {

// A method with a small least budget; a target of 0 leaves target_coverage off.
struct Grower {
  std::string name;
  std::function<AttentionConfig(double target, std::optional<int64_t> most)> config;
};

std::vector<Grower> Growers() {
  std::vector<Grower> growers;
  for (const QuestGroup group : {QuestGroup::kPerHead, QuestGroup::kMean, QuestGroup::kMax}) {
    growers.push_back({fmt::format("quest, group {}", static_cast<int>(group)),
                       [group](double target, std::optional<int64_t> most) {
                         QuestConfig c;
                         c.page_size = 8;
                         c.token_budget = 32;
                         c.dense_layers = 0;
                         c.group_score = group;
                         c.target_coverage = target;
                         c.max_budget = most;
                         return AttentionConfig(c);
                       }});
    growers.push_back({fmt::format("inf-quest, group {}", static_cast<int>(group)),
                       [group](double target, std::optional<int64_t> most) {
                         InfQuestConfig c;
                         c.n_init = 8;
                         c.n_local = 40;
                         c.page_size = 8;
                         c.read_budget = 0;
                         c.answer_budget = 16;
                         c.exc_block_size = 16;
                         c.group_score = group;
                         c.target_coverage = target;
                         c.max_budget = most;
                         return AttentionConfig(c);
                       }});
  }
  growers.push_back({"quest, evaluation path", [](double target, std::optional<int64_t> most) {
                       QuestConfig c;
                       c.page_size = 4;
                       c.token_budget = 16;
                       c.dense_layers = 0;
                       c.selection = QuestSelection::kEval;
                       c.target_coverage = target;
                       c.max_budget = most;
                       return AttentionConfig(c);
                     }});
  for (const bool perhead : {false, true}) {
    for (const WindowMask mask : {WindowMask::kReference, WindowMask::kStrict}) {
      growers.push_back(
          {fmt::format("inf-llm, perhead {}, mask {}", perhead, static_cast<int>(mask)),
           [perhead, mask](double target, std::optional<int64_t> most) {
             InfLlmConfig c;
             c.n_init = 5;
             c.n_local = 40;
             c.block_size = 8;
             c.topk = c.max_cached_block = 2;
             c.repr_topk = 8;
             c.exc_block_size = 16;
             c.perhead = perhead;
             c.mask = mask;
             c.target_coverage = target;
             c.max_budget = most;
             return AttentionConfig(c);
           }});
    }
  }
  return growers;
}

// The last step of a text whose other tokens were a prompt.
struct Step {
  std::vector<std::set<TokenPos>> keys;  // per query head
  double coverage;
  std::vector<float> out;
};

Step LastStep(const AttentionConfig& config, const LayerInputs& in, DType dtype, int threads = 2) {
  EXPECT_TRUE(Validate(config).ok()) << Validate(config).message();
  OneLayer layer(config, in.shape, dtype, 10000, 1, nullptr, threads);
  Feed(layer, in, std::vector<int>{in.tokens - 1}, {}, Phase::kPrefill);
  layer.measure_coverage = true;
  Step step;
  step.out = Feed(layer, in, std::vector<int>{1}, {}, Phase::kDecode);
  step.coverage = layer.coverage().mass / static_cast<double>(layer.coverage().pairs);
  step.keys.resize(static_cast<size_t>(in.shape.heads));
  for (const Segment& s : layer.last_plan().segments()) {
    for (const TokenRange& span : layer.last_plan().spans(s)) {
      for (int h = s.heads.begin; h < s.heads.end; ++h) {
        for (TokenPos t = span.begin; t < span.end; ++t) {
          step.keys[static_cast<size_t>(h)].insert(t);
        }
      }
    }
  }
  return step;
}

class AdaptiveBudgetPropertyTest : public testing::Test {
 protected:
  static LayerInputs Text(Rng& rng, int tokens) {
    constexpr int kHeads[][2] = {{1, 1}, {4, 2}, {6, 2}, {8, 1}};
    const auto& heads = kHeads[rng.Below(std::size(kHeads))];
    return RandomInputs(rng, {1, heads[0], heads[1], 8 * (1 + static_cast<int>(rng.Below(8)))},
                        tokens, 0.5 + static_cast<double>(rng.Below(3)) / 2);
  }
};

constexpr int64_t kNoLimit = 1 << 20;
constexpr DType kDTypes[] = {DType::kF32, DType::kF16, DType::kBF16, DType::kI8};

TEST_F(AdaptiveBudgetPropertyTest, ALowTargetIsTheFixedBudget) {
  for (const Grower& g : Growers()) {
    for (uint64_t seed = 0; seed < 4; ++seed) {
      SCOPED_TRACE(fmt::format("{}, seed {}", g.name, seed));
      Rng rng(seed);
      const LayerInputs in = Text(rng, 300);
      const Step fixed = LastStep(g.config(0, {}), in, kDTypes[seed]);
      const Step low = LastStep(g.config(1e-6, {}), in, kDTypes[seed]);
      EXPECT_EQ(low.keys, fixed.keys);
    }
  }
}

TEST_F(AdaptiveBudgetPropertyTest, GrowsWithTheTarget) {
  for (const Grower& g : Growers()) {
    for (uint64_t seed = 0; seed < 4; ++seed) {
      SCOPED_TRACE(fmt::format("{}, seed {}", g.name, seed));
      Rng rng(seed);
      const LayerInputs in = Text(rng, 700);
      Step before = LastStep(g.config(0, {}), in, kDTypes[seed]);
      size_t grown = 0;
      for (const double target : {0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99}) {
        const Step step = LastStep(g.config(target, kNoLimit), in, kDTypes[seed]);
        for (size_t h = 0; h < step.keys.size(); ++h) {
          ASSERT_TRUE(std::includes(step.keys[h].begin(), step.keys[h].end(),
                                    before.keys[h].begin(), before.keys[h].end()))
              << target << ", head " << h;
          grown += step.keys[h].size() - before.keys[h].size();
        }
        // The same keys, and more: no less mass but for rounding.
        ASSERT_GE(step.coverage, before.coverage - 1e-5) << target;
        before = step;
      }
      EXPECT_GT(grown, 0u);
    }
  }
}

// Short enough for every block to be measured: the estimate is exact then, whatever it is averaged
// over.
TEST_F(AdaptiveBudgetPropertyTest, ReachesTheTargetWhereEveryBlockIsMeasured) {
  for (const Grower& g : Growers()) {
    for (uint64_t seed = 10; seed < 18; ++seed) {
      SCOPED_TRACE(fmt::format("{}, seed {}", g.name, seed));
      Rng rng(seed);
      const LayerInputs in = Text(rng, 180);
      for (const double target : {0.5, 0.8, 0.9, 0.99}) {
        const Step step = LastStep(g.config(target, kNoLimit), in, DType::kF32);
        ASSERT_GE(step.coverage, target - 1e-4);
      }
    }
  }
}

TEST_F(AdaptiveBudgetPropertyTest, StopsAtTheMost) {
  for (const Grower& g : Growers()) {
    SCOPED_TRACE(g.name);
    Rng rng(3);
    const LayerInputs in = RandomInputs(rng, {1, 4, 2, 32}, 600, 0.1);  // attention is even
    // Beside what is chosen: window, sinks, and what is in no block yet.
    const Step none = LastStep(g.config(0, {}), in, DType::kF32);
    const Step all = LastStep(g.config(0.9999999, kNoLimit), in, DType::kF32);
    for (const auto& keys : all.keys) EXPECT_EQ(keys.size(), 600u);
    EXPECT_NEAR(all.coverage, 1, 1e-5);
    const Step some = LastStep(g.config(0.9999999, 160), in, DType::kF32);
    const Step by_default = LastStep(g.config(0.9999999, {}), in, DType::kF32);
    const AttentionConfig config = g.config(0, {});
    const int64_t least = std::holds_alternative<QuestConfig>(config)
                              ? std::get<QuestConfig>(config).token_budget
                              : 16;
    for (size_t h = 0; h < some.keys.size(); ++h) {
      EXPECT_EQ(static_cast<int64_t>(some.keys[h].size() - none.keys[h].size()), 160 - least) << h;
      EXPECT_EQ(static_cast<int64_t>(by_default.keys[h].size() - none.keys[h].size()), 7 * least)
          << h;
    }
  }
}

// Whole texts, read and answered: the sampled estimate keeps its promise on average.
TEST_F(AdaptiveBudgetPropertyTest, CoversMoreThanTheFixedBudgetAndNearlyTheTarget) {
  for (const Grower& g : Growers()) {
    SCOPED_TRACE(g.name);
    CoverageSums fixed, grown;
    for (uint64_t seed = 0; seed < 3; ++seed) {
      Rng rng(seed);
      const LayerInputs in = Text(rng, 2100);
      for (const double target : {0.0, 0.9}) {
        OneLayer layer(g.config(target, target > 0 ? std::optional(kNoLimit) : std::nullopt),
                       in.shape, DType::kF32);
        layer.measure_coverage = true;
        Feed(layer, in, std::vector<int>{2080}, {}, Phase::kPrefill);
        Feed(layer, in, std::vector<int>(20, 1), {}, Phase::kDecode);
        (target > 0 ? grown : fixed).Add(layer.coverage());
      }
    }
    ASSERT_EQ(fixed.pairs, grown.pairs);
    EXPECT_GE(grown.mass, fixed.mass);
    // Over some 300 pairs; rows between the four that are measured, and the ranks that a sample
    // stands for, are what it may miss.
    EXPECT_GT(grown.mass / static_cast<double>(grown.pairs), 0.9 - 0.05);
  }
}

TEST_F(AdaptiveBudgetPropertyTest, DoesNotDependOnThreads) {
  for (const Grower& g : Growers()) {
    SCOPED_TRACE(g.name);
    Rng rng(5);
    const LayerInputs in = Text(rng, 500);
    const Step one = LastStep(g.config(0.9, kNoLimit), in, DType::kF16, 1);
    const Step three = LastStep(g.config(0.9, kNoLimit), in, DType::kF16, 3);
    EXPECT_EQ(one.keys, three.keys);
    EXPECT_EQ(one.out, three.out);
  }
}

}  // namespace
}  // namespace quarry

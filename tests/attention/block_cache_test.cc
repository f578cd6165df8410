#include "attention/methods/block_cache.h"

#include <map>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "tests/reference/eviction.h"

namespace quarry {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;

std::vector<int64_t> Blocks(std::span<const BlockCache::Entry> entries) {
  std::vector<int64_t> blocks;
  for (const auto& e : entries) blocks.push_back(e.block);
  return blocks;
}

// One step: what is selected (in loading order), the mass it receives, and what must go.
struct Step {
  std::vector<int64_t> select;
  std::vector<double> mass;
  std::vector<int64_t> evicted;
};

void ExpectSteps(BlockCache cache, const std::vector<Step>& steps) {
  for (size_t i = 0; i < steps.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_THAT(cache.Select(steps[i].select).evicted, ElementsAreArray(steps[i].evicted));
    cache.AddMass(steps[i].select, steps[i].mass);
  }
}

// The example of the golden values (K 2, M 3): execution blocks 4 to 15, blocks and masses as the
// float64 model has them.
const std::vector<Step> kExample = {
    {{0}, {4.47334}, {}},
    {{0, 1}, {2.27931, 2.68856}, {}},
    {{0, 2}, {2.91151, 2.60832}, {}},
    {{3, 1}, {2.98969, 2.59453}, {2}},
    {{4, 3}, {2.97104, 2.12459}, {0}},
    {{3, 4}, {3.22091, 2.68398}, {}},
    {{5, 0}, {0.76817, 0.43914}, {1, 4}},
    {{5, 4}, {0.72477, 0.71534}, {3}},
    {{0, 6}, {0.43275, 0.40844}, {4}},
    {{1, 0}, {0.83220, 0.39223}, {5}},
    {{6, 7}, {1.27259, 0.74723}, {0}},
    {{2, 5}, {0.63350, 0.64216}, {1, 7}},
};

TEST(BlockCache, LruSExample) { ExpectSteps(BlockCache(CachePolicy::kLruS, 3, 0.1), kExample); }

TEST(BlockCache, LruExample) {
  std::vector<Step> steps = kExample;
  const std::map<size_t, std::vector<int64_t>> evicted = {
      {3, {0}}, {4, {2}}, {6, {1, 3}}, {8, {4}}, {9, {5}}, {10, {0}}, {11, {1, 6}}};
  for (size_t i = 0; i < steps.size(); ++i) {
    steps[i].evicted = evicted.count(i) != 0 ? evicted.at(i) : std::vector<int64_t>();
  }
  ExpectSteps(BlockCache(CachePolicy::kLru, 3, 0), steps);
}

// Selecting a held block again does not make it younger.
TEST(BlockCache, FifoGoesByLoading) {
  ExpectSteps(BlockCache(CachePolicy::kFifo, 3, 0), {{{0, 1}, {0, 0}, {}},
                                                     {{2}, {0}, {}},
                                                     {{0}, {0}, {}},
                                                     {{3}, {0}, {0}},
                                                     {{4}, {0}, {1}},
                                                     {{0}, {0}, {2}}});
}

TEST(BlockCache, EqualValuesGoInTheOrderTheyCame) {
  BlockCache cache(CachePolicy::kLru, 3, 0);
  cache.Select(std::vector<int64_t>{7, 2, 5});
  EXPECT_THAT(cache.Select(std::vector<int64_t>{1, 3}).evicted, ElementsAre(7, 2));
}

TEST(BlockCache, SelectedBlocksNeverGo) {
  BlockCache cache(CachePolicy::kLru, 2, 0);
  cache.Select(std::vector<int64_t>{0, 1});
  cache.Select(std::vector<int64_t>{1});
  // 0 is the oldest, but selected.
  const BlockCache::Change change = cache.Select(std::vector<int64_t>{0, 2});
  EXPECT_THAT(change.loaded, ElementsAre(2));
  EXPECT_THAT(change.evicted, ElementsAre(1));
  EXPECT_THAT(Blocks(cache.entries()), ElementsAre(0, 2));
}

TEST(BlockCache, LruSStartsAnewAndDecays) {
  BlockCache cache(CachePolicy::kLruS, 4, 0.5);
  const std::vector<int64_t> both = {0, 1};
  cache.Select(both);
  cache.AddMass(both, std::vector<double>{8, 4});
  const std::vector<int64_t> one = {1};
  cache.Select(one);
  cache.AddMass(one, std::vector<double>{3});
  ASSERT_EQ(cache.entries().size(), 2u);
  EXPECT_EQ(cache.entries()[0].value, 4.0);  // 8 decayed
  EXPECT_EQ(cache.entries()[1].value, 3.0);  // its 4 was forgotten when it was selected
}

TEST(BlockCache, OnlyLruSWeighsMass) {
  for (CachePolicy policy : {CachePolicy::kLru, CachePolicy::kFifo}) {
    BlockCache cache(policy, 4, 0.5);
    const std::vector<int64_t> blocks = {3};
    cache.Select(blocks);
    cache.AddMass(blocks, std::vector<double>{100});
    EXPECT_EQ(cache.entries()[0].value, 1.0);
  }
}

TEST(BlockCache, CountsLookupsHitsAndEvictions) {
  BlockCache cache(CachePolicy::kLru, 2, 0);
  cache.Select(std::vector<int64_t>{0, 1});
  cache.Select(std::vector<int64_t>{1, 2});
  cache.Select(std::vector<int64_t>{});
  cache.Select(std::vector<int64_t>{2});
  EXPECT_EQ(cache.lookups(), 5);
  EXPECT_EQ(cache.hits(), 2);
  EXPECT_EQ(cache.evictions(), 1);
}

TEST(BlockCache, FollowsTheModelForRandomSelections) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    const auto rule = static_cast<reference::Eviction>(seed % 3);
    const CachePolicy policies[] = {CachePolicy::kLru, CachePolicy::kLruS, CachePolicy::kFifo};
    const auto most = 1 + static_cast<int64_t>(rng.Below(4));
    const int64_t capacity = most + static_cast<int64_t>(rng.Below(4));
    BlockCache cache(policies[seed % 3], capacity, 0.5);
    reference::EvictionModel model(rule, capacity, 0.5);
    for (int step = 0; step < 60; ++step) {
      std::vector<int64_t> blocks;
      for (int64_t i = static_cast<int64_t>(rng.Below(static_cast<uint64_t>(most) + 1)); i > 0;
           --i) {
        const auto b = static_cast<int64_t>(rng.Below(12));
        if (std::find(blocks.begin(), blocks.end(), b) == blocks.end()) blocks.push_back(b);
      }
      EXPECT_THAT(cache.Select(blocks).evicted, ElementsAreArray(model.Select(blocks)));
      std::vector<double> mass;
      std::map<int64_t, double> by_block;
      for (int64_t b : blocks) {
        mass.push_back(static_cast<double>(rng.Below(4)));  // ties, too
        by_block[b] = mass.back();
      }
      cache.AddMass(blocks, mass);
      model.AddMass(by_block);
      ASSERT_EQ(cache.entries().size(), model.held().size());
      for (size_t i = 0; i < model.held().size(); ++i) {
        ASSERT_EQ(cache.entries()[i].block, model.held()[i].block);
        ASSERT_EQ(cache.entries()[i].value, model.held()[i].value);
      }
    }
  }
}

}  // namespace
}  // namespace quarry

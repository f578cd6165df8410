#include "tests/quarry_golden/minference_search.h"

#include <algorithm>
#include <stdexcept>

#include "quarry/pattern_table.h"

#include "attention/pattern_recall.h"
#include "tests/support/prefill_runs.h"

namespace quarry::golden {
namespace {

// Queries before this one do not count.
constexpr TokenPos kFirstRow = 2500;

}  // namespace

void CheckSearch(const std::filesystem::path& folder, Comparison& c) {
  const NpyArray& q = c.Load("q");
  const NpyArray& k = c.Load("k");
  const int64_t heads = q.shape.at(0), kv_heads = k.shape.at(0), tokens = q.shape.at(1),
                dim = q.shape.at(2);
  const ModelShape shape = {1, static_cast<int>(heads), static_cast<int>(kv_heads),
                            static_cast<int>(dim)};
  const std::vector<float> keys = TokenMajor(k.f32, kv_heads, tokens, dim);
  PrefilledLayer layer(DenseConfig{}, shape, DType::kF32, static_cast<int>(tokens),
                       TokenMajor(q.f32, heads, tokens, dim), keys, keys);
  const auto recall = PatternRecall(layer.Input(), RecallCandidates(), kFirstRow, layer.context());

  const Result<PatternTable> want = ReadPatternTable(folder / "result.json");
  if (!want.ok()) throw std::runtime_error(want.status().message());
  const NpyArray& expected = c.Load("recall");
  const size_t n = RecallCandidates().size();
  for (size_t h = 0; h < recall.size(); ++h) {
    for (size_t i = 0; i < n; ++i)
      c.Near("recall", recall[h][i], expected.f64.at(h * n + i), 0, 1e-5);
    const HeadPattern got = ChooseByRecall(RecallCandidates(), recall[h], false);
    const auto& layer0 = want->layers.at(0);
    const auto it = layer0.find(static_cast<int>(h));
    if (it == layer0.end()) {
      c.Fail("result.json", "has no head " + std::to_string(h));
      continue;
    }
    c.Exact("result type", static_cast<int64_t>(got.type), static_cast<int64_t>(it->second.type));
    c.Exact("result first size", got.first, it->second.first);
    c.Exact("result second size", got.second, it->second.second);
    c.Near("result score", got.score, it->second.score, 0, 1e-5);
  }
}

}  // namespace quarry::golden

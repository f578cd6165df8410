// Golden vectors of MInference: vertical-slash, block-sparse and A-shape heads, tri-shape, per-head
// dispatch from a pattern file, and the pattern search.
//
// What a folder holds says what it is about. Indices and counts must match exactly; outputs within
// 2e-6 (f32), scores within 1e-5 of their size, as the vectors' own description has it.

#include <algorithm>
#include <regex>
#include <stdexcept>

#include <fmt/format.h>

#include "quarry/pattern_table.h"

#include "attention/methods/minference.h"
#include "attention/methods/vertical_slash.h"
#include "base/checked_math.h"
#include "tests/quarry_golden/compare.h"
#include "tests/quarry_golden/minference_search.h"
#include "tests/support/prefill_runs.h"

namespace quarry::golden {
namespace {

constexpr double kOut = 2e-6;
constexpr double kScore = 1e-5;
// Probabilities so small that f32 sums of larger ones hide them.
constexpr double kTiny = 1e-7;

struct Inputs {
  ModelShape shape;
  int tokens = 0;
  std::vector<float> q, k, v;  // [tokens][heads or kv_heads][dim]
};

Inputs Read(const std::filesystem::path& folder) {
  const NpyArray q = ReadNpy(folder / "q.npy"), k = ReadNpy(folder / "k.npy"),
                 v = ReadNpy(folder / "v.npy");
  if (q.shape.size() != 3 || k.shape.size() != 3 || v.shape != k.shape) {
    throw std::runtime_error("q, k and v must be [heads][tokens][head_dim]");
  }
  const int64_t heads = q.shape[0], kv_heads = k.shape[0], tokens = q.shape[1], dim = q.shape[2];
  return {{1, static_cast<int>(heads), static_cast<int>(kv_heads), static_cast<int>(dim)},
          static_cast<int>(tokens),
          TokenMajor(q.f32, heads, tokens, dim),
          TokenMajor(k.f32, kv_heads, tokens, dim),
          TokenMajor(v.f32, kv_heads, tokens, dim)};
}

std::shared_ptr<const PatternTable> OneLayerTable(std::map<int, HeadPattern> heads) {
  PatternTable table;
  table.layers.push_back(std::move(heads));
  return std::make_shared<const PatternTable>(std::move(table));
}

PrefilledLayer RunLayer(const AttentionConfig& config, const Inputs& in) {
  const Status valid = Validate(config);
  if (!valid.ok()) throw std::runtime_error(valid.message());
  return {config, in.shape, DType::kF32, in.tokens, in.q, in.k, in.v};
}

// The engine's output, [tokens][heads][dim], against [heads][tokens][dim].
void CheckOut(const std::string& name, const std::vector<float>& got, const Inputs& in,
              Comparison& c) {
  // TokenMajor is its own inverse with the two counts exchanged.
  c.NearArray(name, TokenMajor(got, in.tokens, in.shape.heads, in.shape.head_dim), kOut);
}

// [heads][tokens], or one row for all heads.
void CheckKeyCounts(const std::string& name, PrefilledLayer& layer, const Inputs& in,
                    Comparison& c) {
  const std::vector<int64_t> got = layer.KeyCounts();
  const NpyArray& want = c.Load(name);
  const bool shared = want.shape.size() == 1;
  for (size_t i = 0; i < got.size(); ++i) {
    c.Exact(name, got[i], want.i32.at(shared ? i % static_cast<size_t>(in.tokens) : i));
  }
}

// `got` against a row of `want` that is padded with -1.
void CheckPadded(const std::string& name, const std::vector<int64_t>& got, const NpyArray& want,
                 int64_t row, Comparison& c) {
  const auto width = static_cast<size_t>(want.shape.back());
  for (size_t i = 0; i < std::max(width, got.size()); ++i) {
    const int64_t expected = i < width ? want.i32.at(static_cast<size_t>(row) * width + i) : -1;
    c.Exact(name, i < got.size() ? got[i] : -1, expected);
  }
}

// Vertical-slash: the blocks of each row.
void CheckRowBlocks(int h, const Lines& lines, const Inputs& in, Comparison& c) {
  const int64_t blocks = CeilDiv(in.tokens, kSlashBlock);
  for (int64_t m = 0; m < blocks; ++m) {
    std::vector<TokenRange> ranges;
    SlashRanges(lines.distances, (m + 1) * kSlashBlock, ranges);
    std::vector<int64_t> offsets, columns;
    for (const TokenRange& r : ranges) {
      for (TokenPos t = r.begin; t < r.end; t += kSlashBlock) offsets.push_back(t);
    }
    for (TokenPos t : lines.columns) {
      const bool inside = std::any_of(ranges.begin(), ranges.end(), [&](const TokenRange& r) {
        return t >= r.begin && t < r.end;
      });
      if (!inside && t < ranges.back().end) columns.push_back(t);
    }
    const int64_t row = h * blocks + m;
    c.Exact("block_count", static_cast<int64_t>(offsets.size()),
            c.Load("block_count").i32.at(static_cast<size_t>(row)));
    c.Exact("column_count", static_cast<int64_t>(columns.size()),
            c.Load("column_count").i32.at(static_cast<size_t>(row)));
    CheckPadded("block_offset", offsets, c.Load("block_offset"), row, c);
    CheckPadded("column_index", columns, c.Load("column_index"), row, c);
  }
}

void CheckVerticalSlash(const Inputs& in, Comparison& c) {
  const NpyArray& sizes = c.Load("sizes");
  MInferenceConfig config;
  std::map<int, HeadPattern> heads;
  for (int h = 0; h < in.shape.heads; ++h) {
    const auto i = static_cast<size_t>(2 * h);
    heads[h] = {HeadPatternType::kVerticalSlash, sizes.i32.at(i), sizes.i32.at(i + 1), 1, true};
  }
  config.patterns = OneLayerTable(heads);
  PrefilledLayer layer = RunLayer(config, in);
  CheckOut("out", layer.out(), in, c);
  CheckKeyCounts("row_nnz", layer, in, c);

  const PlanInput plan_input = layer.Input();
  const TokenRange last = {std::max<TokenPos>(0, in.tokens - kEstimateRows), in.tokens};
  const std::vector<float> queries = RotatedQueries(plan_input, last, layer.context());
  const std::vector<LineMass> mass = ComputeLineMass(plan_input, last, queries, layer.context());
  std::vector<float> vertical, slash;
  for (int h = 0; h < in.shape.heads; ++h) {
    const LineMass& m = mass[static_cast<size_t>(h)];
    vertical.insert(vertical.end(), m.column.begin(), m.column.end());
    slash.insert(slash.end(), m.distance.begin(), m.distance.end());
    const LineCounts counts = ClampLineCounts(heads[h].first, heads[h].second, in.tokens);
    const Lines lines = ChooseLines(m, counts);
    CheckPadded("vertical_index", lines.columns, c.Load("vertical_index"), h, c);
    CheckPadded("slash_index", lines.distances, c.Load("slash_index"), h, c);
    CheckRowBlocks(h, lines, in, c);
  }
  c.NearArray("vertical_score", vertical, kTiny, kScore);
  c.NearArray("slash_score", slash, kTiny, kScore);
}

// Block-sparse: the scores of blocks.
void CheckPooledScores(PrefilledLayer& layer, const Inputs& in, Comparison& c) {
  const int dim = in.shape.head_dim;
  const int64_t blocks = CeilDiv(in.tokens, kSlashBlock);
  const auto keys = SumKeyBlocks(layer.Input(), kSlashBlock, in.tokens, layer.context());
  const auto queries = SumQueryBlocks(layer.Input(), 0, kSlashBlock, layer.context());
  const NpyArray& want = c.Load("pooled_score");
  for (int64_t h = 0; h < in.shape.heads; ++h) {
    for (int64_t m = 0; m < blocks; ++m) {
      for (int64_t n = 0; n < blocks; ++n) {
        double score = 0, size = 0;
        for (int64_t d = 0; d < dim; ++d) {
          const double x =
              static_cast<double>(queries[static_cast<size_t>((h * blocks + m) * dim + d)]) *
              static_cast<double>(
                  keys[static_cast<size_t>((h / in.shape.group() * blocks + n) * dim + d)]);
          score += x / (kSlashBlock * kSlashBlock);
          size += std::abs(x) / (kSlashBlock * kSlashBlock);
        }
        c.Near("pooled_score", score,
               want.f64.at(static_cast<size_t>((h * blocks + m) * blocks + n)), kScore * size);
      }
    }
  }
}

void CheckBlockSparse(const Inputs& in, const std::string& suffix, int64_t top_k, Comparison& c) {
  MInferenceConfig config;
  config.top_k = top_k;
  std::map<int, HeadPattern> heads;
  std::vector<int> all;
  for (int h = 0; h < in.shape.heads; ++h) {
    heads[h] = {HeadPatternType::kBlockSparse, 8, 1, 1, true};
    all.push_back(h);
  }
  config.patterns = OneLayerTable(heads);
  PrefilledLayer layer = RunLayer(config, in);
  CheckOut("out" + suffix, layer.out(), in, c);
  CheckKeyCounts("row_nnz" + suffix, layer, in, c);
  if (c.Exists("pooled_score")) CheckPooledScores(layer, in, c);

  const auto selected = SelectBlocks(layer.Input(), top_k, all, layer.context());
  const int64_t blocks = CeilDiv(in.tokens, kSlashBlock);
  for (int h = 0; h < in.shape.heads; ++h) {
    const HeadSelection& s = selected[static_cast<size_t>(h)];
    for (int64_t m = 0; m < blocks; ++m) {
      const auto row = static_cast<size_t>(m);
      const std::vector<int64_t> got(
          s.blocks.begin() + static_cast<ptrdiff_t>(s.block_ptr[row]),
          s.blocks.begin() + static_cast<ptrdiff_t>(s.block_ptr[row + 1]));
      CheckPadded("block_index" + suffix, got, c.Load("block_index" + suffix), h * blocks + m, c);
    }
  }
}

// A-shape and tri-shape.
void CheckShape(const Inputs& in, const std::string& name, const std::vector<int64_t>& numbers,
                Comparison& c) {
  AttentionConfig config;
  if (numbers.size() == 2) {
    AShapeConfig a;
    a.n_init = numbers[0];
    a.n_local = numbers[1];
    config = a;
  } else {
    TriShapeConfig tri;
    tri.n_init = numbers[0];
    tri.n_local = numbers[1];
    tri.n_last = numbers[2];
    config = tri;
  }
  PrefilledLayer layer = RunLayer(config, in);
  CheckOut("out_" + name, layer.out(), in, c);
  CheckKeyCounts("row_nnz_" + name, layer, in, c);
}

// The vectors belong to one layer of the file: the one whose key counts they have.
void CheckMixed(const std::filesystem::path& folder, const Inputs& in, Comparison& c) {
  const Result<PatternTable> table = ReadPatternTable(folder / "best_pattern.json");
  if (!table.ok()) throw std::runtime_error(table.status().message());
  const Result<PatternTable> again = ParsePatternTable(FormatPatternTable(*table), "written");
  if (!again.ok() || again->layers != table->layers) {
    c.Fail("best_pattern.json", "is not the same after writing and reading");
  }
  for (size_t i = table->layers.size(); i-- > 0;) {
    MInferenceConfig config;
    config.patterns = OneLayerTable(table->layers[i]);
    PrefilledLayer layer = RunLayer(config, in);
    const std::vector<int64_t> counts = layer.KeyCounts();
    const NpyArray& want = c.Load("row_nnz");
    const bool match = std::equal(counts.begin(), counts.end(), want.i32.begin(), want.i32.end());
    if (!match && i > 0) continue;
    CheckOut("out", layer.out(), in, c);
    CheckKeyCounts("row_nnz", layer, in, c);
    return;
  }
  c.Fail("best_pattern.json", "has no layers");
}

// "out_a_100_300.npy" -> {"a_100_300", {100, 300}}; other files: no numbers.
std::vector<int64_t> Numbers(const std::string& text) {
  std::vector<int64_t> numbers;
  const std::regex digits("[0-9]+");
  for (std::sregex_iterator it(text.begin(), text.end(), digits), end; it != end; ++it) {
    numbers.push_back(std::stoll(it->str()));
  }
  return numbers;
}

void CheckFolder(const std::filesystem::path& folder, Report& report) {
  Comparison c(folder);
  if (c.Exists("recall")) {
    CheckSearch(folder, c);
    return c.Write(folder.filename().string(), report);
  }
  const Inputs in = Read(folder);
  if (std::filesystem::exists(folder / "best_pattern.json")) {
    CheckMixed(folder, in, c);
  } else if (c.Exists("sizes")) {
    CheckVerticalSlash(in, c);
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string stem = entry.path().stem().string();
    if (stem.starts_with("out_top")) CheckBlockSparse(in, stem.substr(3), Numbers(stem).at(0), c);
    if (stem.starts_with("out_a_") || stem.starts_with("out_tri_")) {
      CheckShape(in, stem.substr(4), Numbers(stem), c);
    }
  }
  c.Write(folder.filename().string(), report);
}

}  // namespace

void CheckMInference(const std::filesystem::path& folder, Report& report) {
  std::vector<std::filesystem::path> cases;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (std::filesystem::exists(entry.path() / "q.npy")) cases.push_back(entry.path());
  }
  std::sort(cases.begin(), cases.end());
  for (const auto& path : cases) {
    try {
      CheckFolder(path, report);
    } catch (const std::exception& e) {
      report.Error(path.filename().string(), e.what());
    }
  }
}

}  // namespace quarry::golden

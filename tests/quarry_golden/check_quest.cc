// Golden vectors of Quest: page summaries, bounds, selections and outputs of its two paths and of
// the ways to share a selection in a group of query heads.
//
// Tolerances of the vectors' own description: summaries exact, bounds 1e-5 of max(1, bound), page
// lists equal, outputs 1e-5. Vectors with a rotation are run twice: on the rotated rows, and on the
// rows before rotation, where summaries are off by the rounding of angles (6e-7 there, up to 1e-5
// here).

#include "tests/quarry_golden/check_quest.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "attention/methods/quest.h"
#include "tests/quarry_golden/case_checks.h"
#include "tests/support/attention_fixture.h"

namespace quarry::golden {
namespace {

using nlohmann::json;

// A budget that nothing exceeds.
constexpr int64_t kEverything = int64_t{1} << 20;

// One way to choose pages, under the name of its arrays.
struct Way {
  std::string name;
  QuestSelection selection;
  QuestGroup group;
};
const Way kWays[] = {
    {"eval", QuestSelection::kEval, QuestGroup::kPerHead},
    {"kernel", QuestSelection::kKernel, QuestGroup::kPerHead},
    {"ext_perhead", QuestSelection::kKernel, QuestGroup::kPerHead},
    {"ext_mean", QuestSelection::kKernel, QuestGroup::kMean},
    {"ext_max", QuestSelection::kKernel, QuestGroup::kMax},
};

QuestConfig ConfigOf(const Way& way, int64_t page_size, int64_t budget) {
  QuestConfig c;
  c.page_size = page_size;
  c.token_budget = budget;
  c.dense_layers = 0;
  c.selection = way.selection;
  c.group_score = way.group;
  return c;
}

// Remembers the last step.
class Recorder : public QuestObserver {
 public:
  void OnStep(const QuestStep& s) override {
    pages = s.pages;
    stride = s.stride;
    bounds.assign(s.bounds.begin(), s.bounds.end());
    selected.clear();
    for (const auto& unit : s.selected) selected.emplace_back(unit.begin(), unit.end());
  }
  int64_t pages = 0, stride = 0;
  std::vector<float> bounds;
  std::vector<std::vector<int64_t>> selected;
};

// One layer that decodes, fed with rows of the case.
class Decoder {
 public:
  Decoder(CaseChecks& checks, const Way& way, int64_t page_size, int64_t budget, bool rotate)
      : checks_(checks),
        shape_{1, checks.json().at("Hq"), checks.json().at("Hkv"), checks.json().at("D")},
        config_(ConfigOf(way, page_size, budget)),
        layer_(Checked(config_), shape_, DType::kF32, Base(rotate), Scale(rotate)),
        keys_(checks.Load(rotate ? "k_pre" : "k")),
        values_(checks.Load("v")),
        queries_(checks.Load(rotate ? "q_pre" : "q")) {
    SetQuestObserver(layer_.state(), &recorder);
  }

  // Tokens up to `end`, read as a prompt.
  void Prefill(TokenPos end) {
    if (end == 0) return;
    // Nobody looks at what a prompt's queries give.
    const std::vector<float> q(static_cast<size_t>(end * shape_.heads * shape_.head_dim), 1.0f);
    layer_.Call(q.data(), keys_.f32.data(), values_.f32.data(), static_cast<int>(end), {},
                Phase::kPrefill);
  }
  // The next token, with row `query` of q; its output.
  std::vector<float> Step(int64_t query) {
    const TokenPos t = layer_.kv().size();
    const int64_t kv_width = shape_.kv_heads * shape_.head_dim;
    return layer_.Call(queries_.f32.data() + query * shape_.heads * shape_.head_dim,
                       keys_.f32.data() + t * kv_width, values_.f32.data() + t * kv_width, 1, {},
                       Phase::kDecode);
  }

  // Summaries of pages [begin, end) against rows of [kv_heads][head_dim].
  void CheckPages(const std::string& name, int64_t begin, int64_t end, std::span<const float> low,
                  std::span<const float> high, double tolerance) {
    const QuestPages& pages = PagesOfQuest(layer_.state());
    std::vector<float> got_low, got_high;
    for (int64_t p = begin; p < end; ++p) {
      for (int h = 0; h < shape_.kv_heads; ++h) {
        for (int d = 0; d < shape_.head_dim; ++d) {
          const QuestPages::Range r = pages.At(h, p, d);
          got_low.push_back(r.low);
          got_high.push_back(r.high);
        }
      }
    }
    checks_.Near(name + " kmin", got_low, low, tolerance);
    checks_.Near(name + " kmax", got_high, high, tolerance);
  }
  int64_t pages() { return PagesOfQuest(layer_.state()).pages(); }

  // `want`: [heads][columns], of which the first pages() count.
  void CheckBounds(const std::string& name, std::span<const float> want, int64_t columns) {
    for (int64_t h = 0; h < shape_.heads; ++h) {
      for (int64_t p = 0; p < recorder.pages; ++p) {
        const float w = want[static_cast<size_t>(h * columns + p)];
        checks_.Near(name + " bounds",
                     std::span(&recorder.bounds[static_cast<size_t>(h * recorder.stride + p)], 1),
                     std::span(&w, 1), 1e-5 * std::max(1.0, std::abs(static_cast<double>(w))));
      }
    }
  }
  // `want`: [units][columns].
  void CheckSelected(const std::string& name, std::span<const int32_t> want, int64_t columns) {
    const auto units = static_cast<int64_t>(want.size()) / columns;
    checks_.Exact(name + " units", static_cast<int64_t>(recorder.selected.size()), units);
    for (size_t u = 0; u < std::min(recorder.selected.size(), static_cast<size_t>(units)); ++u) {
      checks_.Selection(
          name, recorder.selected[u],
          want.subspan(u * static_cast<size_t>(columns), static_cast<size_t>(columns)));
    }
  }

  Recorder recorder;

 private:
  static const QuestConfig& Checked(const QuestConfig& c) {
    if (const Status s = c.Validate(); !s.ok()) throw std::runtime_error(s.message());
    return c;
  }
  const json& Rope() const { return checks_.json().at("rope"); }
  double Base(bool rotate) const { return rotate ? Rope().at("theta").get<double>() : 10000; }
  // Scale 0: nothing turns.
  double Scale(bool rotate) const { return rotate ? 1 / Rope().at("scale").get<double>() : 0; }

  CaseChecks& checks_;
  ModelShape shape_;
  QuestConfig config_;
  OneLayer layer_;
  const NpyArray& keys_;
  const NpyArray& values_;
  const NpyArray& queries_;
};

std::span<const float> Part(const NpyArray& a, int64_t row) {
  const auto width = static_cast<size_t>(a.size() / a.shape[0]);
  return std::span(a.f32).subspan(static_cast<size_t>(row) * width, width);
}
std::span<const int32_t> IntPart(const NpyArray& a, int64_t row) {
  const auto width = static_cast<size_t>(a.size() / a.shape[0]);
  return std::span(a.i32).subspan(static_cast<size_t>(row) * width, width);
}

// Independent queries over prefixes.
void CheckStaticRun(CaseChecks& checks, const json& run, bool rotate) {
  const std::string id = run.at("id");
  const auto tokens = run.at("L").get<TokenPos>();
  const auto page_size = run.at("page_size").get<int64_t>();
  const auto budget = run.at("token_budget").get<int64_t>();
  const auto query = run.at("query").get<int64_t>();
  const std::string pages = fmt::format("_L{}_s{}", tokens, page_size);
  const std::string name = rotate ? id + " before rotation" : id;

  Decoder dense(checks, kWays[1], page_size, std::max(kEverything, page_size), rotate);
  dense.Prefill(tokens - 1);
  checks.Near(name + " dense_out", dense.Step(query), checks.Load(id + "_dense_out").f32, 1e-5);
  checks.Exact(name + " pages", dense.pages(), run.at("pages"));
  dense.CheckPages(name, 0, dense.pages(), checks.Load("kmin" + pages).f32,
                   checks.Load("kmax" + pages).f32, rotate ? 1e-5 : 0);
  const NpyArray& scores = checks.Load(id + "_scores");
  checks.Exact(name + " scores columns", scores.shape[1], dense.pages());
  dense.CheckBounds(name, scores.f32, scores.shape[1]);

  for (const Way& way : kWays) {
    const std::string prefix = fmt::format("{}_{}", id, way.name);
    if (!checks.Exists(prefix + "_selected")) continue;
    Decoder d(checks, way, page_size, budget, rotate);
    d.Prefill(tokens - 1);
    checks.Near(name + " " + way.name + "_out", d.Step(query), checks.Load(prefix + "_out").f32,
                1e-5);
    const NpyArray& selected = checks.Load(prefix + "_selected");
    d.CheckSelected(name + " " + way.name, selected.i32, selected.shape[1]);
  }
}

void CheckStatic(CaseChecks& checks) {
  for (const json& run : checks.json().at("runs")) {
    CheckStaticRun(checks, run, false);
    if (!checks.json().at("rope").is_null()) CheckStaticRun(checks, run, true);
  }
}

// A prompt and many steps.
void CheckStepsWay(CaseChecks& checks, const std::string& name, const Way& way, int64_t budget) {
  const auto prefill = checks.json().at("prefill").get<int64_t>();
  const auto steps = checks.json().at("steps").get<int64_t>();
  const auto page_size = checks.json().at("page_size").get<int64_t>();
  Decoder d(checks, way, page_size, budget, false);
  d.Prefill(prefill);
  d.CheckPages(name + " after prefill", 0, d.pages(), checks.Load("kmin_after_prefill").f32,
               checks.Load("kmax_after_prefill").f32, 0);
  const NpyArray& out = checks.Load("steps_" + name + "_out");
  const NpyArray& bounds = checks.Load("steps_scores");
  for (int64_t t = 0; t < steps; ++t) {
    const std::string step = fmt::format("{} step {}", name, t);
    checks.Near(step + " out", d.Step(t), Part(out, t), 1e-5);
    checks.Exact(step + " pages", d.pages(), checks.json().at("pages")[static_cast<size_t>(t)]);
    d.CheckPages(step, d.pages() - 1, d.pages(), Part(checks.Load("steps_kmin_last"), t),
                 Part(checks.Load("steps_kmax_last"), t), 0);
    d.CheckBounds(step, Part(bounds, t), bounds.shape[2]);
    const std::string list = "steps_" + name + "_selected";
    if (checks.Exists(list)) {
      d.CheckSelected(step, IntPart(checks.Load(list), t), checks.Load(list).shape[2]);
    }
  }
  d.CheckPages(name + " final", 0, d.pages(), checks.Load("kmin_final").f32,
               checks.Load("kmax_final").f32, 0);
}

void CheckSteps(CaseChecks& checks) {
  const auto budget = checks.json().at("token_budget").get<int64_t>();
  CheckStepsWay(checks, "dense", kWays[1], kEverything);
  for (const Way& way : kWays) {
    if (checks.Exists("steps_" + way.name + "_out")) {
      CheckStepsWay(checks, way.name, way, budget);
    }
  }
}

}  // namespace

void CheckQuest(const std::filesystem::path& folder, Report& report) {
  for (const auto& path : CasesIn(folder)) {
    try {
      CaseChecks checks(path);
      const std::string kind = checks.json().at("kind");
      if (kind == "static") {
        CheckStatic(checks);
      } else if (kind == "steps") {
        CheckSteps(checks);
      } else if (kind == "baselines") {
        CheckEvictionBaselines(checks);
      } else {
        checks.Fail("kind", "unknown: " + kind);
      }
      checks.Finish(report);
    } catch (const std::exception& e) {
      report.Error(path.filename().string(), e.what());
    }
  }
}

}  // namespace quarry::golden

// quarry-golden KIND FOLDER: runs a folder of golden vectors through the engine.

#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>

#include "tests/quarry_golden/report.h"

namespace {

struct Kind {
  const char* name;
  void (*check)(const std::filesystem::path&, quarry::golden::Report&);
  const char* what;
};

constexpr Kind kKinds[] = {
    {"infllm", quarry::golden::CheckInfLlm,
     "attention of inf-llm, qllm, stream-llm, infinite-lm and dense"},
    {"flexprefill", quarry::golden::CheckFlexPrefill, "selection and attention of flexprefill"},
    {"minference", quarry::golden::CheckMInference,
     "selection, attention and pattern search of minference, a-shape and tri-shape"},
    {"models", quarry::golden::CheckModels,
     "logits, layer states and greedy text of tiny checkpoints"},
    {"quest", quarry::golden::CheckQuest,
     "page selection of quest; what h2o, tova and stream-llm keep"},
    {"tokenizers", quarry::golden::CheckTokenizers,
     "encoding, decoding, streaming and chat templates"},
};

int Usage() {
  std::fprintf(stderr, "usage: quarry-golden KIND FOLDER\n\nKIND is one of\n");
  for (const Kind& k : kKinds) std::fprintf(stderr, "  %-12s %s\n", k.name, k.what);
  std::fprintf(stderr,
               "\nPrints a line a case and \"N passed, N failed\"; the exit status is 1 on any "
               "failure.\nExample: quarry-golden infllm tests/golden/infllm\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return Usage();
  for (const Kind& k : kKinds) {
    if (std::strcmp(k.name, argv[1]) != 0) continue;
    if (!std::filesystem::is_directory(argv[2])) {
      std::fprintf(stderr, "quarry-golden: %s: not a folder\n", argv[2]);
      return 2;
    }
    quarry::golden::Report report;
    try {
      k.check(argv[2], report);
    } catch (const std::exception& e) {
      report.Error(argv[1], e.what());
    }
    return report.Finish();
  }
  std::fprintf(stderr, "quarry-golden: unknown kind \"%s\"\n", argv[1]);
  return Usage();
}

# One word per developer command; the work is done by CMake, CTest and the scripts in tools/.
BUILD ?= build
PREFIX ?= /usr/local

.PHONY: all deps demo test check asan tsan bench soak fuzz vm install format clean

all: deps
	@cmake --preset release -B $(BUILD) > $(BUILD)/configure.log 2>&1 || { mkdir -p $(BUILD); cmake --preset release -B $(BUILD); }
	@cmake --build $(BUILD)

deps:
	@mkdir -p $(BUILD)
	@tools/deps.sh

demo: all
	$(BUILD)/snug demo

test: all
	tools/test.sh $(BUILD)

check: test

asan: deps
	cmake --preset asan-ubsan && cmake --build --preset asan-ubsan && ctest --preset asan-ubsan

tsan: deps
	cmake --preset tsan && cmake --build --preset tsan && ctest --preset tsan

bench: all
	bench/run.sh $(BUILD)

soak: all
	tools/soak/run.sh $(BUILD)

fuzz: deps
	tools/fuzz.sh

vm: all
	tools/vm/run --build $(BUILD)

install: all
	cmake --install $(BUILD) --prefix $(PREFIX)

format:
	git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	cmake -E rm -rf $(BUILD)

#!/usr/bin/env bash
# The packages of the C library (packaging): builds and runs a program that finds the library by pkg-config, and one by CMake; links
# for a Cortex-M with and without --gc-sections; makes a CMSIS-Pack. The other manifests are only checked for form: they are parsed,
# and the build files of Zephyr and ESP-IDF are read with functions that stand in for theirs. Needs scripts/setup-cross.sh once,
# and the release build of the program.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/toolchain.sh

make_work_folder

warnings="-Wall -Wextra -Wpedantic -Werror"
toy_image "$work/model.tbim"
text="Play some jazz!"
target/release/tinybert-compress run --model "$work/model.tbim" "$text" >"$work/expected"
# answers_as_program NAME PROGRAM
answers_as_program() { cmp "$work/expected" <("$2" "$work/model.tbim" "$text") || fail "$1: another answer than the program's"; }

packaging/install.sh "$(host_target)" "$work/first" std,status-text
# A prefix may be moved.
mv "$work/first" "$work/host"
export PKG_CONFIG_PATH=$work/host/lib/pkgconfig
gcc -std=c11 $warnings $(pkg-config --cflags tinybert) -o "$work/ask" packaging/example/ask.c $(pkg-config --libs tinybert)
answers_as_program pkg-config "$work/ask"
cmake -S packaging/example -B "$work/cmake" -DCMAKE_PREFIX_PATH="$work/host" -DCMAKE_C_FLAGS="$warnings" -DCMAKE_CXX_FLAGS="$warnings" >"$work/log" 2>&1 \
  && cmake --build "$work/cmake" >>"$work/log" 2>&1 || { cat "$work/log" >&2; fail "CMake"; }
answers_as_program CMake "$work/cmake/ask"
answers_as_program "CMake, C++" "$work/cmake/ask-cpp"
sed 's/tinybert 0.1 REQUIRED/tinybert 0.2 REQUIRED/' packaging/example/CMakeLists.txt >"$work/CMakeLists.txt"
cp packaging/example/ask.c "$work"
if cmake -S "$work" -B "$work/other" -DCMAKE_PREFIX_PATH="$work/host" >"$work/log" 2>&1; then fail "CMake takes a version that is not there"; fi
echo "a program finds the library by pkg-config and by CMake, in C and in C++"

packaging/install.sh thumbv7em-none-eabihf "$work/m4" signature,sha256,status-text
export PKG_CONFIG_PATH=$work/m4/lib/pkgconfig
cat >"$work/main.c" <<'END'
#include "tinybert.h"
tinybert_model model;
int main(void) { return (int)tinybert_open(NULL, 0, &model); }
END
core="-mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16"
for sections in --gc-sections --no-gc-sections; do
  arm-none-eabi-gcc -std=c11 $core -ffunction-sections $warnings $(pkg-config --cflags tinybert) -nostdlib -Wl,-e,main,-z,noexecstack,$sections \
    -o "$work/$sections.elf" "$work/main.c" $(pkg-config --libs tinybert) || fail "a firmware does not link with $sections"
done
arm-none-eabi-size "$work"/--*.elf | awk 'NR > 1 { print "  " $1 " bytes of code and constants: " $6 }' | sed "s|$work/||"
echo "a firmware for a Cortex-M4 links, with and without --gc-sections"

packaging/cmsis-pack/build.sh "$work"
xmllint --noout packaging/cmsis-pack/*.pdsc
python3 - "$work"/*.pack <<'END'
import json, pathlib, re, sys, xml.etree.ElementTree, yaml, zipfile

folder = pathlib.Path("packaging")
version = re.search('TINYBERT_VERSION "(.*)"', pathlib.Path("crates/capi/tinybert.h").read_text())[1]
pdsc = xml.etree.ElementTree.parse(next(folder.glob("cmsis-pack/*.pdsc"))).getroot()
named = {file.get("name") for file in pdsc.iter("file")} | {pdsc.findtext("license")}
missing = named - set(zipfile.ZipFile(sys.argv[1]).namelist())
assert not missing, f"the pack lacks {missing}"
library = json.loads((folder / "platformio/library.json").read_text())
component = yaml.safe_load((folder / "esp-idf/tinybert/idf_component.yml").read_text())
module = yaml.safe_load((folder / "zephyr/module.yml").read_text())
versions = {library["version"], component["version"], pdsc.find("releases/release").get("version")}
versions |= {found.get("Cversion") for found in pdsc.iter("component")}
assert versions == {version}, f"the manifests have the versions {versions}, tinybert.h has {version}"
assert (folder / module["build"]["kconfig"]).is_file() and (folder / module["build"]["cmake"] / "CMakeLists.txt").is_file()
END

mkdir "$work/stand-ins"
cat >"$work/stand-ins/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.20)
project(stand_ins C)
# Zephyr's and ESP-IDF's functions, as far as the packages call them.
function(zephyr_include_directories)
  include_directories(${ARGV})
endfunction()
function(zephyr_compile_definitions)
  add_compile_definitions(${ARGV})
endfunction()
function(zephyr_library_import name file)
  add_library(${name} STATIC IMPORTED GLOBAL)
  set_target_properties(${name} PROPERTIES IMPORTED_LOCATION ${file})
  link_libraries(${name})
endfunction()
macro(idf_component_register)
  set(COMPONENT_LIB tinybert_component)
  add_library(${COMPONENT_LIB} INTERFACE)
endmacro()
set(CONFIG_TINYBERT y)
add_subdirectory(${PACKAGING}/zephyr zephyr)
add_subdirectory(${PACKAGING}/esp-idf/tinybert esp-idf)
add_executable(ask ${PACKAGING}/example/ask.c)
target_link_libraries(ask tinybert_component)
END
cmake -S "$work/stand-ins" -B "$work/stand-ins/build" -DPACKAGING="$PWD/packaging" -DTINYBERT_PREFIX="$work/host" >"$work/log" 2>&1 \
  && cmake --build "$work/stand-ins/build" >>"$work/log" 2>&1 || { cat "$work/log" >&2; fail "the build files of Zephyr and ESP-IDF"; }
answers_as_program "stand-ins" "$work/stand-ins/build/ask"
echo "checked for form: CMSIS-Pack, Zephyr module, ESP-IDF component, PlatformIO library"

"""Package systems, a file for each: installed packages, running programs, removal, install block.

package.py           the answers of a package system, and the interface of such a file
package_systems.py   all package systems
"""

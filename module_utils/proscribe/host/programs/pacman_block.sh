#!/bin/sh
# @WRITTEN_BY@
#
# pacman runs this before a transaction that would install what @HOOK@ names.
whom=@WHOM@
while read -r package; do
    echo "proscribe: the policy of this organisation does not allow $package on this host"
    [ "$package" = @TRIAL@ ] ||
        logger -t proscribe -p auth.notice -- "the package gate refused $package" 2>/dev/null || :
done
echo "proscribe: nothing was installed; ask $whom"@MESSAGES@
exit 1

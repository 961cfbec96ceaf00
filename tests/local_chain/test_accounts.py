from eth_account import Account

from local_chain.accounts import DEV_ACCOUNT_COUNT, DEV_MNEMONIC, dev_accounts


def test_the_keys_are_those_every_wallet_derives_from_the_mnemonic() -> None:
    Account.enable_unaudited_hdwallet_features()
    for index, key in enumerate(dev_accounts()):
        expected = Account.from_mnemonic(DEV_MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}")

        assert key.address == expected.address
        assert key.secret == bytes(expected.key)


def test_there_is_a_key_for_every_role_up_to_the_twelfth_contributor() -> None:
    assert len(dev_accounts()) == DEV_ACCOUNT_COUNT == 22
    assert dev_accounts()[0].address == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
